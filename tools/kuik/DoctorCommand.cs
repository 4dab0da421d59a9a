using System.CommandLine;
using Kuik.CommandLine.Doctor;
using Kuik.CommandLine.Output;

namespace Kuik.CommandLine;

/// <summary><c>kuik doctor</c>: checks an installation and recommends actions. docs/operations/doctor.md.</summary>
internal sealed class DoctorCommand : Command, IExplained
{
    private const string About =
        "Checks an installation of Kuik by the Kubernetes API, and says of each finding what to do. Nothing is changed: of two pods the "
            + "API server is "
        + "asked, as a dry run, what it would make of them.";

    /// <inheritdoc/>
    public string Explanation => """
        Exit codes:
           0  no error; warnings are possible
           1  an error was found
           2  the command line is wrong
           3  no error was found, and something could not be determined
          70  the cluster cannot be reached, or refuses the credentials

        Examples:
          kuik doctor
          kuik doctor --output json | jq '.findings[] | select(.severity == "error")'
          kuik doctor --context production --probe-namespace web --probe-image registry.example.com/team/app:1
        """;

    private readonly ClusterOptions _cluster = new();

    private readonly OutputOption _output = new("How to print the findings");

    private readonly Option<string?> _probeNamespace = new("--probe-namespace")
    {
        Description = "Namespace of the pods that the API server is asked about. Default: default, or the first one that Kuik rewrites "
            + "pods in",
        HelpName = "name",
    };

    private readonly Option<string> _probeImage = new("--probe-image")
    {
        Description = "Image of these pods; choose one that your policies allow. It is not pulled",
        HelpName = "image",
        DefaultValueFactory = _ => "docker.io/library/nginx:1.27",
    };

    /// <summary>Creates the command with its options.</summary>
    public DoctorCommand() : base("doctor", About)
    {
        _cluster.AddTo(this);
        Options.Add(_output);
        Options.Add(_probeNamespace);
        Options.Add(_probeImage);
        SetAction((arguments, ct) => KuikCommand.Run(() => Examine(arguments, ct)));
    }

    private async Task<int> Examine(ParseResult arguments, CancellationToken ct)
    {
        var api = _cluster.Connect(arguments);
        var probe = new AdmissionProbe(api, arguments.GetValue(_probeImage)!, arguments.GetValue(_probeNamespace));
        Terminal.ShowProgress($"reading the cluster at {api.Address.Host} …");
        var snapshot = await new ClusterReader(api, _cluster.NamespaceOf(arguments), probe, TimeProvider.System).Read(ct);
        var findings = Diagnosis.Of(snapshot);
        Console.Write(_output.IsJson(arguments) ? Report.AsJson(findings, snapshot) + "\n" : Report.AsTable(findings, Terminal.HasColours));
        return Diagnosis.ExitCodeOf(findings);
    }
}
