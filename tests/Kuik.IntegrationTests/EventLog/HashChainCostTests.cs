using System.Diagnostics;
using System.Globalization;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.EventLog.Audit;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Kuik.IntegrationTests.EventLog;

/// <summary>Measures appends with and without the hash chain, in turn on one server. KUIK_TEST_CHAIN_PODS says how many pods a round
/// (default 100); the numbers of decision 27 are from 2,000.</summary>
public sealed class HashChainCostTests(ITestOutputHelper output)
{
    private const int Rounds = 5;

    private static readonly int Pods =
        int.TryParse(Environment.GetEnvironmentVariable("KUIK_TEST_CHAIN_PODS"), CultureInfo.InvariantCulture, out var pods) ? pods : 100;

    [Fact]
    public async Task Appends_do_not_wait_for_the_chain()
    {
        await using var plain = await LogHost.Start("test", await MigratedDatabase.New());
        await using var chained = await LogHost.Start("test", await MigratedDatabase.New(), add: builder =>
        {
            builder.Configuration["Kuik:Log:HashChain"] = "true";
            builder.AddHashChain();
        });
        foreach (var host in new[] { plain, chained })
            await host.Services.GetRequiredService<EventLogReady>().Wait(CancellationToken.None);
        var (without, with) = (new List<double>(), new List<double>());
        for (var round = 0; round <= Rounds; round++)
        {
            // In turn, each first in every second round.
            var (first, second) = round % 2 == 0 ? (plain, chained) : (chained, plain);
            foreach (var host in new[] { first, second })
            {
                var rate = await Append(host, round);
                if (round > 0)   // the first one compiles
                    (host == plain ? without : with).Add(rate);
            }
        }
        var began = Stopwatch.GetTimestamp();
        await Eventually.True(async () => await chained.Ask<bool>("""
            select coalesce((select max(seq_id) from kuik.event_hashes) >= max(seq_id), false) from kuik.mt_events where type <> 'tombstone'
            """), "the chain has followed");
        var behind = Stopwatch.GetElapsedTime(began);
        await using var connection = await chained.Postgres.OpenConnectionAsync();
        began = Stopwatch.GetTimestamp();
        var chain = await new ChainVerifier(connection).Verify([], null, CancellationToken.None);
        var verified = Stopwatch.GetElapsedTime(began);
        var size = await chained.Ask<long>("select pg_total_relation_size('kuik.event_hashes')");
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"events a second, {Rounds} rounds of {2 * Pods}: without {Median(without):0} ({without.Min():0} to {without.Max():0}), with "
                + $"{Median(with):0} ({with.Min():0} to {with.Max():0}); head at the end after {behind.TotalSeconds:0.0} s; {chain.Events} "
                + $"events verified in {verified.TotalSeconds:0.00} s; {size / (double)chain.Events:0} bytes an event"));

        Assert.Equal((2 * Pods * (Rounds + 1), 0), (chain.Events, chain.Differences.Count));
        if (Pods >= 1000)
            Assert.InRange(Median(with), 0.7 * Median(without), double.MaxValue);
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static async Task<double> Append(LogHost host, int round)
    {
        var began = Stopwatch.GetTimestamp();
        await Parallel.ForAsync(0, Pods, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (i, ct) =>
        {
            var uid = $"{round}-{i}";
            await Append(host, uid, new PodObserved(uid, "web", uid, [new PodImage("c", "a:1", "a:1")], [], DateTimeOffset.UtcNow));
            await Append(host, uid, new PodGone(uid, "web", uid, ["a:1"], DateTimeOffset.UtcNow));
        });
        return 2 * Pods / Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private static Task Append(LogHost host, string uid, object fact) => host.Transactions.Execute(async log =>
        (await log.Read(StreamName.OfPod(uid), 0, (count, _) => count + 1, CancellationToken.None)).Append(fact), CancellationToken.None);
}
