using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text.Json;

namespace Kuik.Oci;

/// <summary>
/// What goes into the <c>Authorization</c> header: nothing, Basic, or a Bearer token from the registry's token server (distribution, "Token
/// Authentication Specification"). Tokens are kept until they expire, and asked for once however many callers wait.
/// </summary>
internal sealed class RegistryTokens(RegistryEndpoints endpoints, RegistryConnections connections, TimeProvider time)
{
    /// <summary>How long a token lives whose server does not say (the specification's default).</summary>
    private static readonly TimeSpan DefaultLifetime = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>How many tokens are kept; beyond it the expired ones go first, then all.</summary>
    private const int MostTokens = 4096;

    private const int LongestAnswer = 1024 * 1024;

    private readonly ConcurrentDictionary<string, Challenge> _challenges = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<Key, Lazy<Task<Token>>> _tokens = new();

    /// <summary>What a host that has challenged before will want for this call; null for nothing.</summary>
    public Task<AuthenticationHeaderValue?> Foresee(RegistryCall call, CancellationToken stop) =>
        _challenges.TryGetValue(call.Repository.Host, out var challenge) ? Answer(challenge, call, stop) : Task.FromResult<AuthenticationHeaderValue?>(null);

    /// <summary>What answers a 401.</summary>
    /// <param name="challenges">All that the answer holds.</param>
    /// <param name="call">What was refused.</param>
    /// <param name="refused">What was sent; a token that was refused is not used again.</param>
    /// <param name="stop">Ends the waiting, not the request that others may wait for.</param>
    /// <returns>Null when there is nothing (new) to send.</returns>
    public async Task<AuthenticationHeaderValue?> Answer(IReadOnlyList<Challenge> challenges, RegistryCall call, AuthenticationHeaderValue? refused, CancellationToken stop)
    {
        var challenge = challenges.FirstOrDefault(c => c.Scheme == "bearer" && c["realm"] is not null) ?? challenges.FirstOrDefault(c => c.Scheme == "basic");
        if (challenge is null)
            return null;
        _challenges[call.Repository.Host] = challenge;

        if (refused?.Scheme == "Bearer" && _tokens.TryGetValue(KeyOf(call), out var known) && known.Value is { IsCompletedSuccessfully: true } task && task.Result.Value == refused.Parameter)
            _tokens.TryRemove(KeyValuePair.Create(KeyOf(call), known));
        var answer = await Answer(challenge, call, stop);
        return answer is null || answer.Equals(refused) ? null : answer;
    }

    private async Task<AuthenticationHeaderValue?> Answer(Challenge challenge, RegistryCall call, CancellationToken stop) => (challenge.Scheme, call.Credential) switch
    {
        (_, { RegistryToken.Length: > 0 } credential) => new AuthenticationHeaderValue("Bearer", credential.RegistryToken),
        ("basic", { Username.Length: > 0 } credential) => Basic(credential),
        ("basic", _) => null,
        _ => new AuthenticationHeaderValue("Bearer", await TokenFor(challenge, call, stop)),
    };

    private async Task<string> TokenFor(Challenge challenge, RegistryCall call, CancellationToken stop)
    {
        var key = KeyOf(call);
        if (_tokens.TryGetValue(key, out var known) && known.Value is { IsCompleted: true } ended && (!ended.IsCompletedSuccessfully || ended.Result.ExpiresAt <= time.GetUtcNow()))
            _tokens.TryRemove(KeyValuePair.Create(key, known));
        if (_tokens.Count >= MostTokens)
            Forget();
        // The request belongs to all who wait for it: it has its own deadline and none of their cancellations.
        var token = _tokens.GetOrAdd(key, _ => new Lazy<Task<Token>>(() => Ask(challenge, call)));
        return (await token.Value.WaitAsync(stop)).Value;
    }

    private async Task<Token> Ask(Challenge challenge, RegistryCall call)
    {
        // 1. Where: credentials go to a token server over TLS only, unless the registry itself is insecure.
        if (!Uri.TryCreate(challenge["realm"], UriKind.Absolute, out var realm) || realm.Scheme is not ("http" or "https"))
            throw new RegistryError(RegistryErrorKind.Broken, $"{call.Repository.Host} names no usable token server: its realm is no http or https address", isTransient: false);
        if (realm.Scheme == "http" && call.Credential is not null && endpoints.Of(call.Repository.Host).IsVerified)
            throw new RegistryError(RegistryErrorKind.Refused, $"{call.Repository.Host} names a token server without TLS, {RegistryError.Show(realm)}: credentials are not sent there");

        // 2. With what: an identity token by POST, a password by Basic, or nothing.
        var scopes = call.Scopes.Select(scope => KeyValuePair.Create("scope", scope));
        var fields = (challenge["service"] is { } service ? scopes.Prepend(KeyValuePair.Create("service", service)) : scopes).ToList();
        using var request = call.Credential?.IdentityToken is { Length: > 0 } identity
            ? Post(realm, fields, identity)
            : Get(realm, fields, call.Credential);

        // 3. Ask and read.
        using var deadline = new CancellationTokenSource(Patience, time);
        try
        {
            using var answer = await connections.Send(request, endpoints.Of(call.Repository.Host).Address, deadline.Token);
            if (!answer.IsSuccessStatusCode)
                throw await RegistryError.Of(request.Method, realm, answer, time.GetUtcNow(), deadline.Token);
            await answer.Content.LoadIntoBufferAsync(LongestAnswer, deadline.Token);
            using var json = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync(deadline.Token));
            return Read(json.RootElement) ?? throw RegistryError.Unusable(request.Method, realm, "no token in the answer");
        }
        catch (Exception e) when (e is HttpRequestException or IOException or OperationCanceledException)
        {
            throw RegistryError.NoAnswer(request.Method, realm, e is OperationCanceledException ? new TimeoutException($"no answer within {Patience.TotalSeconds:0} s") : e);
        }
        catch (ForbiddenAddress e)
        {
            throw new RegistryError(RegistryErrorKind.Broken, $"{call.Repository.Host} names a token server, {RegistryError.Show(realm)}, that is refused: {e.Message}", isTransient: false);
        }
        catch (JsonException e)
        {
            throw RegistryError.Unusable(request.Method, realm, $"the answer is not JSON ({e.Message})");
        }
    }

    private static HttpRequestMessage Get(Uri realm, IEnumerable<KeyValuePair<string, string>> fields, RegistryCredential? credential)
    {
        var query = string.Join('&', fields.Select(f => $"{f.Key}={Uri.EscapeDataString(f.Value)}"));
        var address = new UriBuilder(realm) { Query = realm.Query.Length > 1 ? realm.Query[1..] + "&" + query : query }.Uri;
        var request = new HttpRequestMessage(HttpMethod.Get, address);
        if (credential is { Username.Length: > 0 })
            request.Headers.Authorization = Basic(credential);
        return request;
    }

    private static HttpRequestMessage Post(Uri realm, IEnumerable<KeyValuePair<string, string>> fields, string identity)
    {
        // OAuth2 has one scope field, its parts separated by spaces.
        var byName = fields.GroupBy(f => f.Key).Select(g => KeyValuePair.Create(g.Key, string.Join(' ', g.Select(f => f.Value))));
        return new HttpRequestMessage(HttpMethod.Post, realm)
        {
            Content = new FormUrlEncodedContent([.. byName, new("grant_type", "refresh_token"), new("client_id", "kuik"), new("refresh_token", identity)]),
        };
    }

    private Token? Read(JsonElement answer)
    {
        if (answer.ValueKind != JsonValueKind.Object)
            return null;
        var value = Text(answer, "token") ?? Text(answer, "access_token");
        if (value is null)
            return null;
        var lifetime = answer.TryGetProperty("expires_in", out var seconds) && seconds.ValueKind == JsonValueKind.Number && seconds.TryGetDouble(out var number) && number is > 0 and < 1e9
            ? TimeSpan.FromSeconds(number) : DefaultLifetime;
        return new Token(value, time.GetUtcNow() + lifetime * 0.9);   // so that it does not expire under way
    }

    private static string? Text(JsonElement answer, string name) =>
        answer.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text ? text : null;

    private void Forget()
    {
        foreach (var entry in _tokens)
            if (entry.Value.Value is { IsCompleted: true } ended && (!ended.IsCompletedSuccessfully || ended.Result.ExpiresAt <= time.GetUtcNow()))
                _tokens.TryRemove(entry);
        if (_tokens.Count >= MostTokens)
            _tokens.Clear();
    }

    private static AuthenticationHeaderValue Basic(RegistryCredential credential) =>
        new("Basic", credential.ToBasic());

    private static Key KeyOf(RegistryCall call) => new(call.Repository.Host, string.Join(' ', call.Scopes), call.Credential);

    private sealed record Key(string Host, string Scopes, RegistryCredential? Credential);

    private sealed record Token(string Value, DateTimeOffset ExpiresAt);
}
