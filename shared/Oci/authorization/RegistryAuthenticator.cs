using System.Net;

namespace Kuik.Oci;

/// <summary>
/// A cache of how registries authenticate: the challenges that were answered with success, for each repository, and what <c>/v2/</c>
/// says. It saves requests and decides nothing: a wrong prediction is corrected by the registry's own answer (see
/// docs/decisions/0007-registry-answers.md).
/// </summary>
internal sealed class RegistryAuthenticator(RegistryEndpoints endpoints, RegistryConnections connections, TimeProvider time)
{
    private static readonly TimeSpan PingPatience = TimeSpan.FromSeconds(10);

    /// <summary>How long a <c>/v2/</c> that did not answer counts as one without a challenge.</summary>
    private static readonly TimeSpan PingPause = TimeSpan.FromSeconds(30);

    private readonly ExpiringCache<RegistryRepository, KnownChallenge> _known = new(4096, TimeSpan.FromHours(1), time);
    private readonly ExpiringCache<string, Lazy<Task<IReadOnlyList<Challenge>>>> _pings = new(1024, TimeSpan.FromMinutes(5), time);

    public RegistryTokens Tokens { get; } = new(endpoints, connections, time);

    /// <summary>The authorization of a call, by the challenge that is known for the repository.</summary>
    public async ValueTask<CallAuthorization> Begin(RegistryCall call, CancellationToken ct)
    {
        var authorization = new CallAuthorization(call, this);
        if (call.Address is { } address && !address.IsAt(endpoints.Of(call.Repository.Host).Address))
            authorization.Withhold();
        else if (_known.TryGet(call.Repository, out var known))
            await authorization.Foresee(known, ct);
        return authorization;
    }

    /// <summary>Remembers a challenge whose answer was accepted.</summary>
    public void Accepted(RegistryRepository repository, KnownChallenge challenge) => _known.Set(repository, challenge);

    /// <summary>The answer to the challenge was not accepted this time.</summary>
    public void Refused(RegistryRepository repository) => _known.Remove(repository);

    /// <summary>
    /// The challenges at <c>/v2/</c> of a host; none also where it does not answer. Asked once for all callers, and remembered.
    /// </summary>
    public Task<IReadOnlyList<Challenge>> Ping(string host, CancellationToken ct) =>
        _pings.GetOrAdd(host, _ => new Lazy<Task<IReadOnlyList<Challenge>>>(() => AskVersion(host))).Value.WaitAsync(ct);

    private async Task<IReadOnlyList<Challenge>> AskVersion(string host)
    {
        try
        {
            var endpoint = endpoints.Of(host).Address;
            using var request = RegistryRequest.Create(HttpMethod.Get, new Uri(endpoint, "/v2/"));
            using var answer = await connections.Send(request, endpoint, isTransfer: false, PingPatience, CancellationToken.None);
            if (answer.StatusCode == HttpStatusCode.Unauthorized)
                return Challenge.From(answer);
            if ((int)answer.StatusCode < 500)
                return [];
        }
        catch (Exception e) when (e is HttpRequestException or IOException or TimeoutException or ForbiddenAddressException
            or RegistryException)
        {
            // The answer about the repository itself stands.
        }
        var none = Task.FromResult<IReadOnlyList<Challenge>>([]);
        _pings.Set(host, new Lazy<Task<IReadOnlyList<Challenge>>>(none), PingPause);
        return none.Result;
    }
}
