using System.Globalization;
using Kuik.Contracts;
using Kuik.EventLog;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>Measures what a pod's life costs in the log. KUIK_TEST_LOG_PODS says how many pods (default 200); the size plan of
/// docs/operations/event-log.md is from 10,000.</summary>
public class LogSizeTests(ITestOutputHelper output)
{
    private static readonly int Pods =
        int.TryParse(Environment.GetEnvironmentVariable("KUIK_TEST_LOG_PODS"), CultureInfo.InvariantCulture, out var pods) ? pods : 200;

    [Fact]
    public async Task A_pods_life_takes_less_than_three_kilobytes_of_the_log()
    {
        await using var host = await LogHost.Start("test", await MigratedDatabase.New());
        await host.Services.GetRequiredService<EventLogReady>().Wait(CancellationToken.None);
        var empty = await Size(host);

        await Parallel.ForAsync(0, Pods, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (i, ct) =>
        {
            await Append(host, Observed(i));
            await Append(host, Gone(i));
        });

        var each = (await Size(host) - empty) / (double)Pods;
        output.WriteLine($"{Pods} pods: {each:0} bytes of a pod in mt_events, mt_streams and their indexes; " + await host.Ask<string>("""
            select string_agg(c.relname || ' ' || pg_size_pretty(pg_total_relation_size(c.oid)), ', ' order by c.relname)
            from pg_class c where c.relnamespace = 'kuik'::regnamespace and c.relkind = 'r' and c.relname in ('mt_events', 'mt_streams', 'image_users')
            """));
        if (Pods >= 1000)
            Assert.InRange(each, 1, 3000);
    }

    private static Task<long> Size(LogHost host) =>
        host.Ask<long>("select pg_total_relation_size('kuik.mt_events') + pg_total_relation_size('kuik.mt_streams')");

    private static Task Append(LogHost host, object fact) => host.Transactions.Execute(async log =>
    {
        var uid = fact is PodObserved pod ? pod.PodUid : ((PodGone)fact).PodUid;
        (await log.Read(StreamName.OfPod(uid), 0, (count, _) => count + 1, CancellationToken.None)).Append(fact);
    }, CancellationToken.None);

    private static PodObserved Observed(int i) => new(
        Uid(i), $"team-{i % 200}", $"service-{i % 1000}-6d4cf56db6-x2x9z",
        [
            new PodImage("app", $"registry.example.com/team-{i % 200}/service-{i % 1000}:1.2.{i % 50}",
                $"registry.example.com/team-{i % 200}/service-{i % 1000}:1.2.{i % 50}"),
            new PodImage("log", "docker.io/fluent/fluent-bit:2", "fluent/fluent-bit:2"),
        ],
        ["regcred"], DateTimeOffset.UtcNow)
    {
        Node = $"node-{i % 100}",
        OwnerKind = "Deployment",
        OwnerName = $"service-{i % 1000}",
        ServiceAccount = "default",
        CreatedAt = DateTimeOffset.UtcNow,
        ResourceVersion = $"{1_000_000 + i}",
    };

    private static PodGone Gone(int i)
    {
        var pod = Observed(i);
        return new PodGone(pod.PodUid, pod.Namespace, pod.Name, [.. pod.Images.Select(image => image.Image)], DateTimeOffset.UtcNow)
        {
            Reason = "Deleted",
            Phase = "Running",
        };
    }

    private static string Uid(int i) => $"00000000-0000-4000-8000-{i:000000000000}";
}
