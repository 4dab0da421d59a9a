using System.CommandLine;

namespace Kuik.CommandLine.Audit;

/// <summary><c>--scope</c>: the view of one namespace.</summary>
internal sealed class ScopeOption : Option<string?>
{
    /// <summary>The option of a command.</summary>
    public ScopeOption() : base("--scope")
    {
        Description = "Only images that pods and workloads of this namespace use, and only these users. Of the audit API it needs the "
            + "right in that namespace alone";
        HelpName = "namespace";
    }
}
