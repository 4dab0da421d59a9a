using System.Net;
using System.Text;
using k8s;
using Kuik.Kubernetes;
using Kuik.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;
using KubernetesJson = Kuik.Kubernetes.KubernetesJson;

namespace Kuik.Tests.Kubernetes;

/// <summary>Answers that stop, refuse and forget, behind the real client.</summary>
public sealed class KubernetesApiTests
{
    private static readonly WatchedResource<Repository, Repository> Repositories = new(
        "repositories", Repository.Path, null, KubernetesJson.Default.ResourceListRepository, KubernetesJson.Default.WatchLineRepository,
        r => r.Metadata.Name!, r => r);

    private readonly FakeTimeProvider time = new();

    [Fact]
    public async Task A_list_that_stops_in_the_middle_of_its_body_ends_with_an_exception()
    {
        var api = Api(_ => Answer(new StalledStream("""{"metadata":{"resourceVersion":"1"},"items":[""")));

        var list = api.ListAll(Repositories, CancellationToken.None);

        var fault = await Advance(Assert.ThrowsAsync<HttpRequestException>(() => list));
        Assert.Contains("the answer stopped for 30 s", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_call_that_is_not_answered_ends_with_an_exception()
    {
        var api = Api(_ => null);

        var call = api.ListAll(Repositories, CancellationToken.None);

        Assert.Contains("no answer within 30 s", (await Advance(Assert.ThrowsAsync<HttpRequestException>(() => call))).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_list_that_goes_on_for_ever_ends_with_an_exception()
    {
        var api = Api(_ =>
        {
            time.Advance(TimeSpan.FromSeconds(10));
            return Answer("""{"metadata":{"resourceVersion":"1","continue":"more"},"items":[]}""");
        });

        var fault = await Assert.ThrowsAsync<HttpRequestException>(() => api.ListAll(Repositories, CancellationToken.None));

        Assert.Contains("not complete after 300 s", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_version_that_is_forgotten_between_two_pages_is_listed_anew()
    {
        var asked = 0;
        var api = Api(_ => ++asked switch
        {
            1 => Answer("""{"metadata":{"resourceVersion":"1","continue":"old"},"items":[{"metadata":{"name":"a"}}]}"""),
            2 => Answer("""{"kind":"Status","code":410,"reason":"Expired"}""", HttpStatusCode.Gone),
            3 => Answer("""{"metadata":{"resourceVersion":"2","continue":"new"},"items":[{"metadata":{"name":"b"}}]}"""),
            _ => Answer("""{"metadata":{"resourceVersion":"2"},"items":[{"metadata":{"name":"c"}}]}"""),
        });

        var (names, version) = await api.List(Repositories, (r, _) => r.Metadata.Name!, CancellationToken.None);

        Assert.Equal(["b", "c"], names);
        Assert.Equal("2", version);
    }

    [Fact]
    public async Task A_server_below_a_path_is_asked_below_that_path()
    {
        Uri? asked = null;
        var api = Api(
            request =>
            {
                asked = request.RequestUri;
                return Answer("""{"metadata":{"resourceVersion":"1"}}""");
            },
            "http://rancher.example.com/k8s/clusters/c-1");

        await api.ListAll(Repositories, CancellationToken.None);

        Assert.Equal("/k8s/clusters/c-1/apis/kuik.enix.io/v1alpha1/repositories", asked!.AbsolutePath);
    }

    [Fact]
    public async Task A_refusal_says_when_to_ask_again_by_header_or_by_body()
    {
        var byHeader = Answer("{}", HttpStatusCode.TooManyRequests);
        byHeader.Headers.Add("Retry-After", "7");
        var byBody = Answer("""{"code":503,"details":{"retryAfterSeconds":9}}""", HttpStatusCode.ServiceUnavailable);

        var first = await Assert.ThrowsAsync<KubernetesApiException>(() => Api(_ => byHeader)
            .ListAll(Repositories, CancellationToken.None));
        var second = await Assert.ThrowsAsync<KubernetesApiException>(() => Api(_ => byBody).ListAll(Repositories, CancellationToken.None));

        Assert.Equal((TimeSpan.FromSeconds(7), TimeSpan.FromSeconds(9)), (first.RetryAfter, second.RetryAfter));
    }

    [Fact]
    public async Task A_reflector_whose_list_stalls_lists_again_and_says_meanwhile_that_it_is_not_up_to_date()
    {
        var lists = 0;
        var api = Api(request => request.RequestUri!.Query.Contains("watch=true", StringComparison.Ordinal) ? Answer(new StalledStream(""))
            : ++lists == 1 ? Answer(new StalledStream("{"))
            : Answer("""{"metadata":{"resourceVersion":"1"},"items":[{"metadata":{"name":"a"}}]}"""));
        var reflector = new Reflector<Repository, Repository>(Repositories, api, time, NullLogger.Instance);
        using var stop = new CancellationTokenSource();
        var following = reflector.Run(stop.Token);

        await Eventually.True(
            () =>
            {
                if (reflector.Problem!.Contains("stopped", StringComparison.Ordinal))
                    return true;
                time.Advance(TimeSpan.FromSeconds(5));
                return false;
            },
            "it says so");
        Assert.Null(reflector.CurrentAt);
        await Eventually.True(() => { time.Advance(TimeSpan.FromSeconds(1)); return reflector.IsListed; }, "it is listed");

        Assert.NotNull(reflector.CurrentAt);
        await stop.CancelAsync();
        await Task.WhenAny(following);
    }

    [Fact]
    public async Task Text_is_read_up_to_its_limit()
    {
        var api = Api(_ => Answer("Healthy\ncache: Healthy"));

        Assert.Equal("Healthy\ncache: Healthy", await api.GetText("api/v1/x/proxy/readyz", 100, CancellationToken.None));
        Assert.Equal("Healthy", await api.GetText("api/v1/x/proxy/readyz", 7, CancellationToken.None));
    }

    [Fact]
    public async Task A_refusal_that_is_not_the_APIs_own_keeps_its_text()
    {
        var ofPod = Api(_ => Answer("Unhealthy\npostgres: Unhealthy", HttpStatusCode.ServiceUnavailable));
        var ofApi = Api(_ => Answer("""{"kind":"Status","message":"error trying to reach service"}""", HttpStatusCode.ServiceUnavailable));

        Assert.Equal("Unhealthy\npostgres: Unhealthy", (await Refusal(ofPod)).Text);
        Assert.Null((await Refusal(ofApi)).Text);

        static Task<KubernetesApiException> Refusal(Kuik.Kubernetes.KubernetesApi api) =>
            Assert.ThrowsAsync<KubernetesApiException>(() => api.GetText("api/v1/x/proxy/readyz", 100, CancellationToken.None));
    }

    private async Task<T> Advance<T>(Task<T> task)
    {
        await Eventually.True(() => { time.Advance(TimeSpan.FromSeconds(5)); return task.IsCompleted; }, "the call ends");
        return await task;
    }

    private Kuik.Kubernetes.KubernetesApi Api(Func<HttpRequestMessage, HttpResponseMessage?> answer, string host = "http://127.0.0.1:1") =>
        new(new k8s.Kubernetes(new KubernetesClientConfiguration { Host = host }, new Scripted(answer)), time: time);

    private static HttpResponseMessage Answer(string body, HttpStatusCode status = HttpStatusCode.OK) =>
        new(status) { Content = new StringContent(body) };

    private static HttpResponseMessage Answer(Stream body) => new(HttpStatusCode.OK) { Content = new StreamContent(body) };

    private sealed class Scripted(Func<HttpRequestMessage, HttpResponseMessage?> answer) : DelegatingHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (answer(request) is not { } response)
            {
                await Task.Delay(Timeout.Infinite, cancellationToken);
                throw new InvalidOperationException("not reached");
            }
            cancellationToken.ThrowIfCancellationRequested();
            response.RequestMessage = request;
            return response;
        }
    }

    /// <summary>A few bytes, then nothing and no end.</summary>
    private sealed class StalledStream(string begin) : MemoryStream(Encoding.UTF8.GetBytes(begin))
    {
        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            if (await base.ReadAsync(buffer, cancellationToken) is > 0 and var read)
                return read;
            await Task.Delay(Timeout.Infinite, cancellationToken);
            return 0;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }
}
