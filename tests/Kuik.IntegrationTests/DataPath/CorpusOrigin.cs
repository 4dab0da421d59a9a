using System.Globalization;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.DataPath;

/// <summary>A real registry that holds a corpus of every kind of image. A test may stop it, and starts it again.</summary>
public sealed class CorpusOrigin : IAsyncLifetime
{
    private const int Count = 220;

    /// <summary>Of the corpus: <c>KUIK_TEST_SEED</c>, else always the same.</summary>
    public int Seed { get; } =
        int.TryParse(Environment.GetEnvironmentVariable("KUIK_TEST_SEED"), CultureInfo.InvariantCulture, out var seed) ? seed : 20_261_124;

    public Registry Registry { get; private set; } = null!;

    public IReadOnlyList<CorpusImage> Images { get; private set; } = [];

    public async ValueTask InitializeAsync()
    {
        Images = Corpus.Generate(Seed, Count);
        Registry = await Registry.Start(new RegistryOptions { Name = "origin", ForeignLayersAt = "^https://" });
        await Registry.Push(Images);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;   // the sandbox ends with this process
}
