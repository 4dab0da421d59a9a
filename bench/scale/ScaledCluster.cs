using Kuik.Testing;

namespace Kuik.Bench.Scale;

/// <summary>The cluster of the options, with pods that come and go at a planned rate, and the time from each of these events to the
/// resource that shows it.</summary>
internal sealed class ScaledCluster(ScriptedKubernetes kubernetes, ScaleOptions options)
{
    private readonly Random _random = new(1);
    private readonly Lock _gate = new();
    private readonly List<(string Namespace, string Name, int Image)> _pods = [];
    private readonly string[] _images = [.. Enumerable.Range(0, options.Images).Select(ScaleOptions.Image)];
    private readonly int[] _users = new int[options.Images];
    private readonly int[] _shown = new int[options.Images];
    private readonly Dictionary<string, int> _numbers = Enumerable.Range(0, options.Images).ToDictionary(ScaleOptions.Image);
    private readonly Dictionary<int, List<long>> _open = [];
    private readonly List<double> _latencies = [];
    private int _names;

    /// <summary>Milliseconds from an event to the CachedImage with the right number of users, of every event that is shown by
    /// now.</summary>
    public IReadOnlyList<double> Latencies
    {
        get
        {
            lock (_gate)
                return [.. _latencies];
        }
    }

    /// <summary>Events that no resource shows yet.</summary>
    public int Unshown
    {
        get
        {
            lock (_gate)
                return _open.Values.Sum(times => times.Count);
        }
    }

    /// <summary>Pods that are there; asked while none comes or goes.</summary>
    public int Live => _pods.Count;

    /// <summary>Makes the pods that are there at first.</summary>
    public void Fill()
    {
        for (var i = 0; i < options.Pods; i++)
            Add(i % options.Images);
    }

    /// <summary>Lets pods come and go, and forgets what was measured before.</summary>
    /// <returns>How many events there were, a second.</returns>
    public async Task<double> ComeAndGo(TimeSpan duration)
    {
        lock (_gate)
        {
            _open.Clear();
            _latencies.Clear();
        }
        var (begun, events) = (TimeProvider.System.GetTimestamp(), 0L);
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (TimeProvider.System.GetElapsedTime(begun) < duration && await tick.WaitForNextTickAsync())
        {
            var due = (long)(TimeProvider.System.GetElapsedTime(begun).TotalSeconds * options.Rate);
            for (; events < due; events++)
                Note(events % 2 == 0 ? Add(_random.Next(options.Images)) : Remove());
        }
        return events / TimeProvider.System.GetElapsedTime(begun).TotalSeconds;
    }

    /// <summary>Follows the resources until cancelled.</summary>
    public async Task Follow(CancellationToken ct)
    {
        await foreach (var resource in kubernetes.Changes(ScaleSuite.CachedImages, ct))
            if ((string?)resource["spec"]?["sourceImage"] is { } image && _numbers.TryGetValue(image, out var number))
                Show(number, (int?)resource["status"]?["usedBy"]?["count"] ?? -1);
    }

    private void Show(int image, int users)
    {
        lock (_gate)
        {
            _shown[image] = users;
            if (users != _users[image] || !_open.Remove(image, out var times))
                return;
            foreach (var time in times)
                _latencies.Add(TimeProvider.System.GetElapsedTime(time).TotalMilliseconds);
        }
    }

    private int Add(int image)
    {
        var (space, name) = (ScaleOptions.Namespace(image), $"service-{image}-6d4cf56db6-{_names++}");
        kubernetes.AddPod(new ScriptedPod(space, name, [_images[image], ScaleOptions.Sidecar])
        {
            ReplicaSet = $"service-{image}-6d4cf56db6",
            Node = $"node-{image % 500}",
            PullSecrets = ["regcred"],
        });
        _pods.Add((space, name, image));
        Interlocked.Increment(ref _users[image]);
        return image;
    }

    private int Remove()
    {
        var index = _random.Next(_pods.Count);
        var (space, name, image) = _pods[index];
        _pods[index] = _pods[^1];
        _pods.RemoveAt(_pods.Count - 1);
        Interlocked.Decrement(ref _users[image]);
        kubernetes.RemovePod(space, name);
        return image;
    }

    private void Note(int image)
    {
        lock (_gate)
        {
            if (_shown[image] == _users[image])
            {
                _open.Remove(image);   // one pod came and one went before a write: nothing is written, nothing is measured
                return;
            }
            if (!_open.TryGetValue(image, out var times))
                _open.Add(image, times = []);
            times.Add(TimeProvider.System.GetTimestamp());
        }
    }
}
