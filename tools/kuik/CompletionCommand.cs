using System.CommandLine;

namespace Kuik.CommandLine;

/// <summary><c>kuik completion</c>: a script by which a shell completes commands, options and their values.</summary>
internal sealed class CompletionCommand : Command, IExplained
{
    /// <summary>The script of each shell. It asks kuik itself, by the suggestion directive of System.CommandLine.</summary>
    internal static readonly IReadOnlyDictionary<string, string> Scripts = new Dictionary<string, string>
    {
        ["bash"] = """
            _kuik() {
                local line="${COMP_LINE:0:$COMP_POINT}" word="${COMP_WORDS[COMP_CWORD]}"
                line="${line#"${COMP_WORDS[0]}"}"
                local IFS=$'\n'
                COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" "[suggest:${#line}]" "$line" 2>/dev/null)" -- "$word"))
            }
            complete -o default -F _kuik kuik
            """,
        ["zsh"] = """
            #compdef kuik
            _kuik() {
                local line="${(j: :)words[2,CURRENT]}"
                local -a found
                found=("${(@f)$(${words[1]} "[suggest:${#line}]" "$line" 2>/dev/null)}")
                compadd -- $found
            }
            compdef _kuik kuik
            """,
        ["fish"] = """
            function __kuik
                set -l line (string replace -r '^\S+\s?' '' -- (commandline -cp))
                kuik "[suggest:"(string length -- "$line")"]" "$line" 2>/dev/null
            end
            complete -c kuik -a '(__kuik)'
            """,
    };

    private readonly Argument<string> _shell = new("shell") { Description = "The shell: bash, zsh or fish" };

    /// <summary>Creates the command.</summary>
    public CompletionCommand() : base("completion", "Prints a script by which a shell completes commands, options and their values.")
    {
        _shell.AcceptOnlyFromAmong([.. Scripts.Keys]);
        Arguments.Add(_shell);
        SetAction(arguments => Console.WriteLine(Scripts[arguments.GetValue(_shell)!]));
    }

    /// <inheritdoc/>
    public string Explanation => """
        Examples:
          source <(kuik completion bash)
          kuik completion bash > /etc/bash_completion.d/kuik
          kuik completion zsh > "${fpath[1]}/_kuik"
          kuik completion fish > ~/.config/fish/completions/kuik.fish
        """;
}
