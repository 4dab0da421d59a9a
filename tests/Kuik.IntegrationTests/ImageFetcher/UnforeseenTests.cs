using System.Diagnostics.Metrics;
using Kuik.Contracts;
using Kuik.ImageFetcher;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.IntegrationTests.EventLog;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Kuik.IntegrationTests.ImageFetcher;

/// <summary>image-fetcher in this process, with a look-up of credentials that throws what was not foreseen; the rest is real.</summary>
public sealed class UnforeseenTests
{
    private Exception? fault = new FormatException("The format of value 'hunter2' is invalid.");

    [Fact]
    public async Task An_unforeseen_exception_of_a_copy_is_recorded_logged_once_and_counted_and_the_next_attempt_works()
    {
        await using var world = await FetcherWorld.Start();
        await using var fetcher = await StartFetcher(world);
        using var outcomes = new Outcomes();
        var content = TestImage.Small(seed: 64);
        var image = await world.Origin.Push("team/app", "1", content);
        await world.Request(image);

        await Fetch(fetcher, image);
        var failed = await world.Recorded<ImageFetchFailed>(image);
        var errors = fetcher.Log.Where(line => line.Contains("could not be copied", StringComparison.Ordinal)).ToList();
        fault = null;
        await world.Append(image, new RequestedByPerson(image, image, "app", DateTimeOffset.UtcNow));
        await Fetch(fetcher, image);

        Assert.Equal(("internal", true), (failed.Kind, failed.RetryHelps));
        Assert.Equal("image-fetcher failed unexpectedly (FormatException); its log has the stack", failed.Reason);
        Assert.InRange(failed.RetryAt - failed.FailedAt, TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(38));
        Assert.Contains(nameof(UnforeseenTests), Assert.Single(errors), StringComparison.Ordinal);   // the stack
        Assert.DoesNotContain(fetcher.Log, line => line.Contains("hunter2", StringComparison.Ordinal));
        Assert.Equal(["internal", "cached"], outcomes.Counted);
        Assert.Equal(content.Bytes, await world.InCache(image));
    }

    [Fact]
    public async Task A_reference_that_an_earlier_version_accepted_is_recorded_as_broken()
    {
        await using var world = await FetcherWorld.Start();
        await using var fetcher = await StartFetcher(world);
        const string image = "r.example.com/Team/App:1";
        await world.Request(image);

        await Fetch(fetcher, image);

        var failed = await world.Recorded<ImageFetchFailed>(image);
        Assert.Equal(("broken", false), (failed.Kind, failed.RetryHelps));
    }

    private static Task Fetch(LogHost fetcher, string image) =>
        ActivatorUtilities.CreateInstance<FetchImage>(fetcher.Services).Fetch(image, cause: null, CancellationToken.None);

    private Task<LogHost> StartFetcher(FetcherWorld world) => LogHost.Start("image-fetcher", world.Database, add: builder =>
    {
        builder.Configuration["Kuik:Cache:Endpoint"] = world.Cache.Endpoint.ToString();
        builder.Configuration["Kuik:InsecureRegistries:0"] = $"http://{world.Origin.Host}";
        builder.Configuration["Kuik:Fetch:SpoolPath"] = Sandbox.Shared.NewFolder("spool");
        builder.Configuration["Kuik:Fetcher:Name"] = "in-process";
        builder.Configuration["KUBECONFIG"] = FetcherWorld.NoKubernetes();
        builder.AddCredentials();
        builder.AddFetching();
        builder.Services.AddCopyEngine(builder.Configuration, services => FetcherSetup.Needs(services) with
        {
            Credentials = (_, _) => fault is null ? Task.FromResult<IReadOnlyList<RegistryCredential>>([]) : throw fault,
        });
    });

    /// <summary>The value of image-fetcher's counter of copies in this process.</summary>
    private sealed class Outcomes : IDisposable
    {
        private readonly MeterListener listener = new();
        private readonly List<string> counted = [];

        public Outcomes()
        {
            listener.InstrumentPublished = (instrument, listening) =>
            {
                if (instrument.Name == "kuik_fetcher_copies")
                    listening.EnableMeasurementEvents(instrument);
            };
            listener.SetMeasurementEventCallback<long>((_, _, tags, _) =>
            {
                lock (counted)
                    counted.Add((string)tags[0].Value!);
            });
            listener.Start();
        }

        public IReadOnlyList<string> Counted
        {
            get
            {
                lock (counted)
                    return [.. counted];
            }
        }

        public void Dispose() => listener.Dispose();
    }
}
