using System.Globalization;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.EventLog.Audit;
using Kuik.Expiry;
using Kuik.IntegrationTests.EventLog;
using Kuik.PodWatcher;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Xunit;

namespace Kuik.IntegrationTests.Audit;

/// <summary>A rebuild while pods come and go, and while expiry looks at every image again and again. <c>KUIK_HISTORY=1000000</c>: with so
/// many events of pods before.</summary>
public sealed class RebuildUnderLoadTests(ITestOutputHelper output)
{
    private const int Images = 1000;
    private const int Rebuilds = 5;

    private static readonly DateTimeOffset Start = DateTimeOffset.UtcNow;

    [Fact]
    public async Task Nothing_in_use_is_taken_for_unused_while_projections_are_rebuilt_and_events_are_appended()
    {
        // Given 1,000 images in use, some of them by rows that the log does not justify as well
        await using var host = await LogHost.Start("rebuild", await MigratedDatabase.New(), WatcherSetup.Documents, builder =>
        {
            builder.AddKuikImageStates();
            builder.Services.AddSingleton<ExpiryMetrics>().AddSingleton<NoteUnused>();
        });
        for (var first = 0; first < Images; first += 100)
            await Record(host, [.. Enumerable.Range(first, 100).Select(number => Observed($"pod-{number}", Image(number)))]);
        await AppendHistory(host, int.Parse(Environment.GetEnvironmentVariable("KUIK_HISTORY") ?? "2000", CultureInfo.InvariantCulture));
        await using var connection = await host.Postgres.OpenConnectionAsync();
        using var stop = new CancellationTokenSource();
        var load = Task.WhenAll(Appends(host, 1, stop.Token), Appends(host, 2, stop.Token), Sweeps(host, stop.Token));

        // When projections are rebuilt meanwhile
        for (var i = 0; i < Rebuilds; i++)
        {
            await host.Execute($"""
                insert into kuik.image_users select '{Image(i)}', 'ghost-' || n, 'apps', 'ghost', '{"{}"}' from generate_series(1, 300) n;
                delete from kuik.image_states where image like '%{i}:1';
                delete from kuik.mt_doc_image_view_3 where id like '%{i}:1'
                """);
            var result = await new LogRebuild(connection, TimeProvider.System).Run(null, CancellationToken.None);
            output.WriteLine($"waited {result.Waited}, locked {result.Locked}: {string.Join(", ", result.Parts)}");
            Assert.True(result.Parts["usage"] >= 300, $"corrected: {string.Join(", ", result.Parts)}");
        }
        await stop.CancelAsync();
        await load;

        // Then no image was unused for a moment, and all rows are those of the log
        Assert.Equal(0, await host.Ask<long>("select count(*) from kuik.mt_events where type in ('ImageUnused', 'ImageExpired')"));
        Assert.Equal(await IndependentFold.Users(connection, new(null, long.MaxValue)), await Rows(connection,
            "select concat_ws(' ', pod_uid, image) from kuik.image_users"));
        Assert.Equal(Images, (await IndependentFold.Images(connection, new(null, long.MaxValue))).Count);
        await Eventually.True(() => host.Ask<bool>("""
            select last_seq_id >= (select max(seq_id) from kuik.mt_events) from kuik.mt_event_progression where name like 'image-view-%'
            """), "the views follow the log again");
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead);
        var verification = await new LogVerifier(connection).Verify(null, CancellationToken.None);
        Assert.Empty(verification.Differences);
        Assert.Empty(verification.Skipped);
    }

    // Of pods that came and went.
    private static Task AppendHistory(LogHost host, int events) => host.Execute($$"""
        insert into kuik.mt_streams (id, version, timestamp, created, is_archived)
        select 'pod/old-' || n, 2, now(), now(), false from generate_series(1, {{events / 2}}) n;
        insert into kuik.mt_events (seq_id, id, stream_id, version, data, type, timestamp, is_archived)
        select nextval('kuik.mt_events_sequence'), gen_random_uuid(), 'pod/old-' || n, version, jsonb_build_object(
            'podUid', 'old-' || n, 'namespace', 'apps', 'name', 'old-' || n, 'pullSecrets', '[]'::jsonb,
            'observedAt', now(), 'goneAt', now(), 'images', case version when 2 then jsonb_build_array(image)
                else jsonb_build_array(jsonb_build_object('container', 'app', 'image', image, 'writtenAs', image)) end),
            case version when 1 then 'PodObserved' else 'PodGone' end, now(), false
        from generate_series(1, {{events / 2}}) n, generate_series(1, 2) version,
            concat('registry.example.com/team/app-', n % {{Images}}, ':1') image
        order by n, version;
        """);

    // The pod that keeps each image stays; others come and go beside it.
    private static async Task Appends(LogHost host, int writer, CancellationToken ct)
    {
        var random = new Random(writer);
        for (var n = 0; !ct.IsCancellationRequested; n++)
        {
            var (uid, image) = ($"pod-{writer}-{random.Next(50)}", Image(random.Next(Images)));
            await Record(host, [random.Next(2) == 0 ? Observed(uid, image) : new PodGone(uid, "apps", uid, [image], Start)]);
        }
    }

    // As expiry does it, without its pause.
    private static async Task Sweeps(LogHost host, CancellationToken ct)
    {
        var noteUnused = host.Services.GetRequiredService<NoteUnused>();
        for (var after = ""; !ct.IsCancellationRequested;)
        {
            (after, var unused) = await ImageStates.PageOfUnused(host.Postgres, after, 1000, CancellationToken.None);
            foreach (var image in unused)
                await noteUnused.Note(image, null, CancellationToken.None);
        }
    }

    private static Task Record(LogHost host, IReadOnlyList<object> facts) => host.Transactions.Execute(async log =>
    {
        var images = facts.OfType<PodObserved>().SelectMany(pod => pod.Images).Select(one => one.Image).Distinct().ToList();
        await ImageLocks.TakeToUse(log, images, CancellationToken.None);
        foreach (var fact in facts)
            (await log.Read(StreamName.OfPod(fact is PodObserved pod ? pod.PodUid : ((PodGone)fact).PodUid), UserState.Initial,
                UserState.Fold, CancellationToken.None)).Append(fact);
        foreach (var image in await log.ReadImages(images, CancellationToken.None))
            if (!image.State.IsWanted)
                image.Append(new RequestedByPod(StreamName.ImageOf(image.Name), "app:1", "pod", Start));
    }, CancellationToken.None);

    private static PodObserved Observed(string uid, string image) =>
        new(uid, "apps", uid, [new PodImage("app", image, image) { Digest = "sha256:" + new string('a', 64) }], ["regcred"], Start);

    private static string Image(int number) => $"registry.example.com/team/app-{number}:1";

    private static async Task<IReadOnlyList<string>> Rows(NpgsqlConnection connection, string sql)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await using var rows = await command.ExecuteReaderAsync();
        var lines = new List<string>();
        while (await rows.ReadAsync())
            lines.Add(rows.GetString(0));
        return [.. lines.Order(StringComparer.Ordinal)];
    }
}
