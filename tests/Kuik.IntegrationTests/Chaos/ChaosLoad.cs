using System.Globalization;
using Kuik.Testing;

namespace Kuik.IntegrationTests.Chaos;

/// <summary>
/// The load of a cluster's users meanwhile: pods come and go, labels are removed and restored, resources are created and deleted by hand.
/// </summary>
internal sealed class ChaosLoad(ScriptedKubernetes kubernetes, IReadOnlyList<string> images, int seed)
{
    private const int MostPods = 40;
    private const string Namespace = "apps";
    private const string Annotation = """{"metadata":{"annotations":{"example.com/looked-at":"yes"}}}""";

    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(150);

    private readonly Random _random = new(seed);
    private readonly List<string> _pods = [];
    private int _names;

    /// <summary>Goes on until cancelled; some pods are left at the end.</summary>
    public async Task Run(CancellationToken ct)
    {
        using var pause = new PeriodicTimer(Pause);
        try
        {
            while (await pause.WaitForNextTickAsync(ct))
                Step();
        }
        catch (OperationCanceledException)
        {
            while (_pods.Count < MostPods / 2)
                Add();
        }
    }

    private void Step()
    {
        var dice = _random.Next(20);
        if (_pods.Count == 0 || (dice < 10 && _pods.Count < MostPods))
            Add();
        else if (dice < 17)
            Remove();
        else if (dice < 18)
            Relabel();
        else if (dice < 19)
            kubernetes.Delete(ChaosWorld.ResourceOf(AnyImage()));
        else
            kubernetes.Apply(ChaosWorld.ResourceOf(AnyImage()), Annotation, "kubectl-annotate");
    }

    private void Add()
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"pod-{_names++}");
        kubernetes.AddPod(Namespace, name, [.. Enumerable.Range(0, 1 + _random.Next(3)).Select(_ => AnyImage()).Distinct()]);
        _pods.Add(name);
    }

    private void Remove()
    {
        var name = _pods[_random.Next(_pods.Count)];
        _pods.Remove(name);
        kubernetes.RemovePod(Namespace, name);
    }

    private void Relabel()
    {
        var name = _pods[_random.Next(_pods.Count)];
        kubernetes.ChangePod(Namespace, name, pod => pod with { IsManaged = false });
        kubernetes.ChangePod(Namespace, name, pod => pod with { IsManaged = true });
    }

    private string AnyImage() => images[_random.Next(images.Count)];
}
