using System.Net;
using System.Net.Http.Json;
using System.Threading.Channels;
using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.CopyEngine;

/// <summary>Requests for another replica's spool, when it does not answer at once.</summary>
public sealed class PeerSpoolsTests : IDisposable
{
    private static readonly Uri Other = new("http://127.0.0.1:8080/");
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(10);

    private readonly FakeTimeProvider time = new(DateTimeOffset.UtcNow);
    private readonly ScriptedReplica replica = new();
    private readonly HttpMessageInvoker peers;
    private readonly RegistryClient client;
    private readonly PeerSpools spools;

    public PeerSpoolsTests()
    {
        peers = new HttpMessageInvoker(replica);
        client = new RegistryClient(new RegistryEndpoints([]), [], time);
        var settings = new CopyEngineOptions
        {
            CacheEndpoint = new Uri("http://127.0.0.1:1/"),
            Platforms = [],
            SpoolPath = "",
            Peers = [Other],
        };
        var owners = new RendezvousRing(
            new ReplicaList(settings, peers, time, NullLogger<ReplicaList>.Instance), time, NullLogger<RendezvousRing>.Instance);
        spools = new PeerSpools(peers, client, owners, time);
    }

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        peers.Dispose();
        client.Dispose();
    }

    [Fact]
    public async Task A_replica_that_needs_two_seconds_for_its_answer_is_waited_for()
    {
        var finding = spools.Find(Blob(1), Stop);
        var question = await replica.Asked.ReadAsync(Stop);

        time.Advance(TimeSpan.FromSeconds(2));
        question.SetResult(HttpStatusCode.OK);

        Assert.Equal(Other.AbsoluteUri, (await finding)?.Repository);
    }

    [Fact]
    public async Task A_replica_that_stays_silent_is_not_asked_for_a_while_and_then_again()
    {
        await FindOfSilentReplica();

        Assert.Null(await spools.Find(Blob(2), Stop));
        Assert.False(replica.Asked.TryPeek(out _));

        time.Advance(Pause);
        var finding = spools.Find(Blob(3), Stop);
        (await replica.Asked.ReadAsync(Stop)).SetResult(HttpStatusCode.OK);
        Assert.NotNull(await finding);
    }

    [Fact]
    public async Task A_replica_whose_answer_came_late_is_asked_for_the_next_blob()
    {
        var question = await FindOfSilentReplica();

        question.SetResult(HttpStatusCode.NotFound);

        await AssertIsAsked();
    }

    [Fact]
    public async Task A_replica_that_asks_is_asked_although_it_left_a_question_unanswered()
    {
        await FindOfSilentReplica();

        spools.Heard(ScriptedReplica.Identity);

        await AssertIsAsked();
    }

    private static WantedBlob Blob(int number) =>
        new(ImageReference.Parse("registry.test/team/web:1"), $"sha256:{number:x64}", SizeInBytes: null);

    private async Task<TaskCompletionSource<HttpStatusCode>> FindOfSilentReplica()
    {
        var finding = spools.Find(Blob(1), Stop);
        var question = await replica.Asked.ReadAsync(Stop);
        time.Advance(Patience);
        Assert.Null(await finding);
        return question;
    }

    private Task AssertIsAsked() => Eventually.True(
        async () =>
        {
            var finding = spools.Find(Blob(2), Stop);
            if (!replica.Asked.TryRead(out var question))
                return false;   // the late answer is noted on another thread
            question.SetResult(HttpStatusCode.OK);
            return await finding is not null;
        },
        "the replica is asked again");

    /// <summary>Says its name at once, and what it has when the test says so.</summary>
    private sealed class ScriptedReplica : HttpMessageHandler
    {
        public const string Identity = "0123";

        private readonly Channel<TaskCompletionSource<HttpStatusCode>> asked =
            Channel.CreateUnbounded<TaskCompletionSource<HttpStatusCode>>();

        /// <summary>Questions for blobs, each to be answered.</summary>
        public ChannelReader<TaskCompletionSource<HttpStatusCode>> Asked => asked.Reader;

        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            if (request.RequestUri!.AbsolutePath == "/kuik/replica")
                return new HttpResponseMessage { Content = JsonContent.Create(new { name = "replica-1", identity = Identity }) };
            var answer = new TaskCompletionSource<HttpStatusCode>();
            asked.Writer.TryWrite(answer);
            return new HttpResponseMessage(await answer.Task.WaitAsync(cancellationToken));
        }
    }
}
