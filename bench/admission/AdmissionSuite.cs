using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Kuik.Bench.Admission;

/// <summary>
/// AdmissionReviews at a fixed rate over TLS: the webhook against an ASP.NET endpoint that only echoes, by turns. RATE (1000 a second; of
/// the large pod a tenth), SECONDS (60 for each case and subject, in as many turns as RUNS says).
/// </summary>
internal static class AdmissionSuite
{
    private const string Suite = "admission";
    private const string Lifetime = "process";

    private static readonly int Runs = Setting.Number("RUNS", 5);
    private static readonly int Rate = Setting.Number("RATE", 1000);
    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(Setting.Number("SECONDS", 60) / (double)Runs);
    private static readonly (string Name, byte[] Review, int Rate)[] Cases =
        [("small pod", ReviewOf.Pod(1), Rate), ("pod of 200 containers", ReviewOf.Pod(200), Math.Max(1, Rate / 10))];

    public static async Task Run(Results results)
    {
        Say("publishing");
        using var kuik = await Subject.Publish(Results.Kuik, "services/webhook", "Kuik.Webhook");
        using var echo = await Subject.Publish("echo", "bench/admission/echo", "Kuik.Bench.Echo");
        Subject[] subjects = [echo, kuik];
        for (var run = 1; run <= Runs; run++)
        {
            foreach (var subject in subjects)
                results.Add(Suite, Lifetime, subject.Name, "start to first answer", "ms", await subject.Start(Cases[0].Review));
        }
        foreach (var subject in subjects)
        {
            results.Add(Suite, Lifetime, subject.Name, "memory idle", "MiB", ProcessUsage.ResidentMemory(subject.ProcessId));
            await Check(subject);
        }
        foreach (var (name, review, rate) in Cases)
        {
            for (var run = 1; run <= Runs; run++)
            {
                Say($"{name}, turn {run} of {Runs}");
                foreach (var subject in subjects)
                    await Measure($"{name}, {rate}/s", review, rate, subject, results);
            }
        }
        foreach (var subject in subjects)
        {
            results.Add(Suite, Lifetime, subject.Name, "memory peak", "MiB", ProcessUsage.PeakMemory(subject.ProcessId)!.Value);
            results.Add(Suite, Lifetime, subject.Name, "memory after", "MiB", ProcessUsage.ResidentMemory(subject.ProcessId));
        }
        var p99 = results.Median(Suite, $"{Cases[0].Name}, {Rate}/s", Results.Kuik, "p99");
        results.Goal($"{Cases[0].Name}: p99 under 5 ms at {Rate} requests a second", Text(p99) + " ms", p99 < 5);
        var start = results.Median(Suite, Lifetime, Results.Kuik, "start to first answer");
        results.Goal("start to first answer under 300 ms", Text(start) + " ms", start < 300);
    }

    private static async Task Measure(string name, byte[] review, int rate, Subject subject, Results results)
    {
        void Add(string metric, string unit, double value) => results.Add(Suite, name, subject.Name, metric, unit, value);

        var length = (await subject.Ask(review, 0)).Length;
        var cpu = ProcessUsage.CpuSeconds(subject.ProcessId);
        var latencies = await OpenLoop.Run(Send, rate, Turn);
        Add("p50", "ms", OpenLoop.Percentile(latencies, 0.5));
        Add("p99", "ms", OpenLoop.Percentile(latencies, 0.99));
        Add("longest", "ms", latencies[^1]);
        Add("CPU a request", "µs", (ProcessUsage.CpuSeconds(subject.ProcessId) - cpu) * 1e6 / latencies.Length);
        Say($"{subject.Name}: p50 {Text(OpenLoop.Percentile(latencies, 0.5))}, p99 {Text(OpenLoop.Percentile(latencies, 0.99))} ms");

        async Task Send(int i)
        {
            var got = (await subject.Ask(review, i)).Length;
            if (got != length)
                throw new HttpRequestException($"{subject.Name} answered {got} bytes where it had answered {length}");
        }
    }

    // Fast and wrong would be worth nothing.
    private static async Task Check(Subject subject)
    {
        foreach (var (name, review, _) in Cases)
        {
            var answer = await subject.Ask(review, 0);
            var isRight = subject.Name == Results.Kuik ? Rewritten(answer) == Containers(review) : answer.SequenceEqual(review);
            if (!isRight)
                throw new InvalidOperationException($"{subject.Name} answers a {name} wrongly: {Encoding.UTF8.GetString(answer)}");
        }
    }

    private static int Containers(byte[] review) =>
        JsonDocument.Parse(review).RootElement.GetProperty("request").GetProperty("object").GetProperty("spec").GetProperty("containers")
            .GetArrayLength();

    private static int Rewritten(byte[] answer)
    {
        var patch = Convert.FromBase64String(JsonDocument.Parse(answer).RootElement.GetProperty("response").GetProperty("patch")
            .GetString()!);
        return JsonDocument.Parse(patch).RootElement.EnumerateArray()
            .Count(operation => operation.GetProperty("path").GetString()!.EndsWith("/image", StringComparison.Ordinal));
    }

    private static string Text(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);

    private static void Say(string what) => Setting.Say(Suite, what);
}
