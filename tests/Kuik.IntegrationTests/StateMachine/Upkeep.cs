using Kuik.EventLog;
using Kuik.IntegrationTests.Doctor;
using Kuik.Kubernetes;
using Kuik.Testing;

namespace Kuik.IntegrationTests.StateMachine;

/// <summary>What CronJobs and administrators run beside the services: the registry's garbage collection, a scrub, <c>kuik rebuild</c>, and
/// an annotation for what could not be copied.</summary>
/// <param name="machine">What they run on.</param>
/// <param name="database">Its event log.</param>
internal sealed class Upkeep(Machine machine, string database)
{
    private KuikService? _collection;

    /// <summary>Begins the registry's garbage collection, with the scrub that follows it.</summary>
    public async Task BeginCollection()
    {
        Directory.CreateDirectory(machine.Cache.DataFolder);   // as the volume is, before the first copy
        _collection = await RunCommand("collect-garbage", new()
        {
            ["Kuik:GarbageCollection:Command"] = string.Join(',', machine.Cache.CollectorCommand),
            ["Kuik:GarbageCollection:Patience"] = "00:00:10",
            ["Kuik:Scrub:Folder"] = machine.Cache.DataFolder,
        });
    }

    /// <summary>Waits for the end of the garbage collection.</summary>
    public async Task EndCollection()
    {
        // 75: copies took too long, or Postgres was away. 70: files have vanished under it, if the test has made the registry lose some.
        var code = await _collection!.Ended();
        if (code is not (0 or 75) && !(code == 70 && machine.Lost.Count > 0))
            throw _collection.Process.Failed($"collect-garbage ended with exit code {code}");
    }

    /// <summary>kill -9 of the garbage collection, if it runs.</summary>
    public void KillCollection() => _collection?.Kill();

    /// <summary>Looks for damaged blobs in the registry's volume.</summary>
    public async Task Scrub()
    {
        if (!machine.Scrubs)
            return;
        var scrubber = await RunCommand("scrub", new() { ["Kuik:Scrub:Folder"] = machine.Cache.DataFolder });
        if (await scrubber.Ended() is var code and not 0)
            throw scrubber.Process.Failed($"scrub ended with exit code {code}");
    }

    /// <summary>Makes what is projected from the log for an image wrong, waits until that is shown, and runs <c>kuik rebuild</c>.</summary>
    public async Task Rebuild(int image)
    {
        if (!machine.IsPostgresUp)
            return;
        var name = machine.ImageNames[image];
        var wrong = await machine.Query(Spoil(name));
        for (var attempt = 0; wrong.Count > 0 && attempt < 15 && !await IsShown(name, wrong[0]); attempt++)
            await Task.Delay(TimeSpan.FromMilliseconds(200));   // perhaps no pod-watcher leads
        var run = await RunTool.Try(DoctorWorld.Tool, ["rebuild", "--postgres", database]);
        if (run.ExitCode != 0)
            throw new InvalidOperationException($"kuik rebuild ended with exit code {run.ExitCode}: {run.Output}{run.Errors}");
    }

    /// <summary>Asks for what could not be copied or compared once more, as a person does who does not want to wait.</summary>
    public async Task RetryFailed()
    {
        foreach (var resource in await machine.User.ListImages())
            if (((string?)resource["status"]?["lastError"])?.Length > 0)
                await machine.User.Refresh((string)resource["spec"]!["sourceImage"]!);
    }

    /// <summary>The statement that makes the view of an image wrong, where there is one; returns the phase of the CachedImage.</summary>
    // A view is read when its number is higher than those that were read before.
    internal static string Spoil(string image) => $$"""
        update kuik.mt_doc_{{ImageView.DocumentAlias}} set data = jsonb_set(jsonb_set(data, '{stage}',
                case data ->> 'stage' when '{{nameof(ImageStage.Evicted)}}' then '"{{nameof(ImageStage.Requested)}}"'
                    else '"{{nameof(ImageStage.Failed)}}"' end::jsonb),
            '{sequence}', (select to_jsonb(max(seq_id) + 1) from kuik.mt_events))
        where id = 'image/{{image}}'
        returning case data ->> 'stage' when '{{nameof(ImageStage.Failed)}}' then '{{CachedImagePhase.ErrImagePull}}'
            else '{{CachedImagePhase.Synchronizing}}' end
        """;

    private async Task<bool> IsShown(string name, string phase) =>
        (string?)(await machine.User.FindImage(name))?["status"]?["phase"] == phase;

    private Task<KuikService> RunCommand(string verb, Dictionary<string, string?> settings) =>
        KuikService.Start("ImageFetcher", new KuikServiceOptions
        {
            Arguments = [verb],
            WaitFor = null,
            Settings = new Dictionary<string, string?>(settings) { ["ConnectionStrings:Postgres"] = database },
        });
}
