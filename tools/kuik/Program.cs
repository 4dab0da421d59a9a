using System.CommandLine;
using Kuik.CommandLine;

// kuik, called as "kubectl kuik" when a program kubectl-kuik is on the PATH. One file a command; see KuikCommand.
var arguments = new KuikCommand().Parse(args);
var code = await arguments.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
return arguments.Errors.Count > 0 ? ExitCode.Usage : code;
