using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Text;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Kuik.PodWatcher.Setup;
using Kuik.Testing;
using Kuik.Tests.Webhook;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.PodWatcher;

/// <summary>The loop, at a Kubernetes API in this process and on a clock of the test's.</summary>
public sealed class WebhookCertificateControllerTests : IAsyncLifetime
{
    private const string Secrets = "api/v1/namespaces/kuik-system/secrets";

    private static readonly DateTimeOffset Start = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly SetupOptions Options = new("kuik-system", OwnsCertificate: true, ExternalPostgres: null);

    private readonly FakeTimeProvider time = new(Start);
    private readonly ConcurrentQueue<string> lines = new();
    private readonly ServiceProvider services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly Leader leader = new();
    private readonly LoggerFactory logs;
    private ScriptedKubernetes kubernetes = null!;
    private WebhookCertificateReconciler reconciler = null!;
    private WebhookCertificateController controller = null!;

    public WebhookCertificateControllerTests() => logs = new LoggerFactory([new KeepLines(lines)]);

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        kubernetes = await ScriptedKubernetes.Start();
        var api = new Kuik.Kubernetes.KubernetesApi(KubernetesAccess.Connect(kubernetes.Kubeconfig));
        reconciler = new(new SecretClient(api, Options), api, Options, time, NullLogger<WebhookCertificateReconciler>.Instance);
        var metrics = new WebhookCertificateMetrics(services.GetRequiredService<IMeterFactory>());
        controller = new(reconciler, leader, Options, metrics, time, logs.CreateLogger<WebhookCertificateController>());
    }

    public async ValueTask DisposeAsync()
    {
        await controller.StopAsync(CancellationToken.None);
        controller.Dispose();
        await kubernetes.DisposeAsync();
        await services.DisposeAsync();
        logs.Dispose();
    }

    [Fact]
    public async Task A_certificate_is_renewed_at_two_thirds_of_its_time_and_its_end_is_measured()
    {
        await reconciler.Reconcile(Stop);
        var first = Served();
        await controller.StartAsync(Stop);
        await Until(() => Measured().Count == 2, "the ends are measured");
        var ends = Measured();

        time.Advance(TimeSpan.FromDays(58));
        await Until(() => Served() != first, "the certificate is renewed", WebhookCertificateController.Interval);
        await Until(() => Measured()["webhook"] > ends["webhook"], "its new end is measured");

        Assert.Equal((Start.AddDays(90), Start.AddDays(365)), (Time(ends["webhook"]), Time(ends["ca"])));
        Assert.InRange(Time(Measured()["webhook"]).AddDays(-90), Start.AddDays(59.9), Start.AddDays(89));   // when it was renewed
        Assert.Empty(lines);
    }

    [Fact]
    public async Task Attempts_at_an_API_that_fails_come_with_growing_pauses_and_the_first_one_after_it_renews()
    {
        var attempts = new ConcurrentQueue<DateTimeOffset>();
        await reconciler.Reconcile(Stop);
        var first = Served();
        await controller.StartAsync(Stop);
        await Until(() => Measured().Count == 2, "it works");
        kubernetes.Script = _ =>
        {
            attempts.Enqueue(time.GetUtcNow());
            return ScriptedAnswers.Refuse(503, "ServiceUnavailable");
        };

        time.Advance(TimeSpan.FromDays(61));
        await Until(() => attempts.Count >= 6, "it tries again", TimeSpan.FromSeconds(1));
        var (during, pauses) = (Served(), attempts.Zip(attempts.Skip(1), (one, next) => (next - one).TotalSeconds).ToArray());
        kubernetes.Script = _ => null;
        await Until(() => Served() != first, "the certificate is renewed", TimeSpan.FromSeconds(1));

        Assert.Equal(first, during);
        for (var i = 0; i < 5; i++)
            Assert.True(pauses[i] >= Math.Pow(2, i) / 2, $"only {pauses[i]} s after failure {i + 1}");
        // Once for each kind of request that fails.
        Assert.InRange(lines.Count(line => line.Contains("cannot be checked", StringComparison.Ordinal)), 1, 2);
    }

    [Fact]
    public async Task A_replica_that_does_not_lead_asks_nothing_and_measures_nothing()
    {
        await reconciler.Reconcile(Stop);
        await controller.StartAsync(Stop);
        await Until(() => Measured().Count == 2, "it works");
        leader.IsLeading = false;
        await Until(() => Measured().Count == 0, "nothing is measured");
        var (asked, looked) = (kubernetes.Ledger.Count, leader.Looks);

        time.Advance(TimeSpan.FromDays(61));
        await Until(() => leader.Looks > looked + 6, "the loop goes on");
        var askedMeanwhile = kubernetes.Ledger.Count - asked;
        leader.IsLeading = true;
        await Until(() => Measured().Count == 2, "it works again");

        Assert.Equal(0, askedMeanwhile);
    }

    [Fact]
    public async Task Where_setup_has_not_run_nothing_is_made_or_measured()
    {
        await controller.StartAsync(Stop);
        await Until(
            () => kubernetes.Requests("get", "secrets") >= 2, "it has looked, and looks again", WebhookCertificateController.Interval);

        Assert.Empty(kubernetes.List(Secrets));
        Assert.Empty(Measured());
    }

    // The clock goes on meanwhile, as it does for a loop that sleeps.
    private Task Until(Func<bool> condition, string what, TimeSpan? step = null) => Eventually.True(
        () =>
        {
            time.Advance(step ?? WebhookCertificateController.Tick);
            return condition();
        },
        what);

    private static DateTimeOffset Time(long seconds) => DateTimeOffset.FromUnixTimeSeconds(seconds);

    private string? Served() =>
        kubernetes.Find($"{Secrets}/{WebhookCertificateReconciler.ServingName}")?["data"]!["tls.crt"]!.ToString() is { } text
            ? Encoding.UTF8.GetString(Convert.FromBase64String(text))
            : null;

    private Dictionary<string, long> Measured()
    {
        var measured = new Dictionary<string, long>();
        using var listener = new MeterListener();
        listener.InstrumentPublished = (instrument, listens) =>
        {
            var isOurs = instrument.Meter.Scope == services.GetRequiredService<IMeterFactory>();
            if (isOurs && instrument.Name == WebhookCertificateMetrics.Expiry)
                listens.EnableMeasurementEvents(instrument);
        };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) => measured[(string)tags[0].Value!] = value);
        listener.Start();
        listener.RecordObservableInstruments();
        return measured;
    }

    private sealed class Leader : ILeader
    {
        private volatile bool isLeading = true;
        private int looks;

        public int Looks => Volatile.Read(ref looks);

        public bool IsLeading
        {
            get
            {
                Interlocked.Increment(ref looks);
                return isLeading;
            }
            set => isLeading = value;
        }
    }
}
