using Kuik.Bench;
using Kuik.Bench.Admission;
using Kuik.Bench.Copy;
using Kuik.Bench.Pull;
using Kuik.Bench.Replay;
using Kuik.Bench.Scale;
using Kuik.Testing;

// make bench: README.md says what is measured. Add a suite here.
Dictionary<string, Func<Results, Task>> suites = new()
{
    ["copy"] = CopySuite.Run,
    ["pull"] = PullSuite.Run,
    ["admission"] = AdmissionSuite.Run,
    [ScaleSuite.Suite] = ScaleSuite.Run,
    [ReplaySuite.Suite] = ReplaySuite.Run,
};

if (args is [HostCopyEngine.Verb])
{
    await HostCopyEngine.Run();
    return 0;
}
var wanted = Environment.GetEnvironmentVariable("SUITE") is { Length: > 0 } one ? [one] : suites.Keys.ToArray();
if (wanted.Except(suites.Keys).FirstOrDefault() is { } unknown)
{
    Console.Error.WriteLine($"there is no suite {unknown}; there are: {string.Join(", ", suites.Keys)}");
    return 2;
}
var results = new Results();
foreach (var suite in wanted)
    await suites[suite](results);
results.Write(Path.Combine(Checkout.Root, "artifacts/bench"));
return 0;
