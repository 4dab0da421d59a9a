using System.Collections.Concurrent;
using System.Text.Json;

namespace Kuik.Oci;

/// <summary>
/// Bearer tokens from registries' token servers (distribution, "Token Authentication Specification"). Tokens are kept until they expire,
/// and callers that want the same one at the same time share a request.
/// </summary>
internal sealed class RegistryTokens(RegistryEndpoints endpoints, RegistryConnections connections, TimeProvider time)
{
    /// <summary>The lifetime of a token without <c>expires_in</c> (the specification's default).</summary>
    private static readonly TimeSpan DefaultLifetime = TimeSpan.FromSeconds(60);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>How many tokens are kept; beyond it the expired ones go first, then all.</summary>
    private const int MostTokens = 4096;

    private const int LongestAnswer = 1024 * 1024;

    private readonly ConcurrentDictionary<TokenRequest, Lazy<Task<Token>>> _tokens = new();

    /// <summary>A token, and whether it is one that was kept: that may have been revoked since.</summary>
    /// <param name="request">Registry, realm, scopes and credential.</param>
    /// <param name="isRefused">True for a token that the registry has just refused: it is not used again.</param>
    /// <param name="ct">Ends the waiting, not the request that other callers may wait for.</param>
    /// <exception cref="RegistryException">The token server did not give one.</exception>
    public async Task<(string Value, bool WasKept)> Get(TokenRequest request, Func<string, bool> isRefused, CancellationToken ct)
    {
        var wasKept = _tokens.TryGetValue(request, out var known);
        if (known?.Value is { IsCompleted: true } ended
            && (!ended.IsCompletedSuccessfully || ended.Result.ExpiresAt <= time.GetUtcNow() || isRefused(ended.Result.Value)))
        {
            _tokens.TryRemove(KeyValuePair.Create(request, known));
            wasKept = false;
        }
        if (known is null && _tokens.Count >= MostTokens)
            Forget();
        // The request is shared by all waiters: it has its own deadline and none of their cancellations.
        var token = _tokens.GetOrAdd(request, _ => new Lazy<Task<Token>>(() => Ask(request)));
        return ((await token.Value.WaitAsync(ct)).Value, wasKept);
    }

    private async Task<Token> Ask(TokenRequest wanted)
    {
        // 1. Where: credentials go to a token server over TLS only, unless the registry itself is plain or insecure.
        var endpoint = endpoints.Of(wanted.Host);
        var realm = RealmOf(wanted, endpoint.Address);
        if (realm.Scheme == "http" && wanted.Credential is not null && endpoint is { IsVerified: true, Address.Scheme: "https" })
            throw new RegistryException(RegistryErrorKind.Refused,
                $"{wanted.Host} names a token server without TLS, {RegistryException.Show(realm)}: credentials are not sent there");

        // 2. The credential: an identity token by POST, a password by Basic, or nothing.
        var scopes = wanted.Scopes.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(scope => KeyValuePair.Create("scope", scope));
        var fields = (wanted.Service is { } service ? scopes.Prepend(KeyValuePair.Create("service", service)) : scopes).ToList();
        using var request = wanted.Credential?.IdentityToken is { Length: > 0 } identity
            ? Post(realm, fields, identity)
            : Get(realm, fields, wanted.Credential);

        // 3. Ask and read.
        try
        {
            using var answer = await connections.Send(request, endpoint.Address, isTransfer: false, Patience, CancellationToken.None);
            using var deadline = new CancellationTokenSource(Patience, time);
            ContentCoding.Decode(request.Method, realm, answer);
            if (!answer.IsSuccessStatusCode)
                throw await RegistryException.From(request.Method, realm, answer, time, deadline.Token);
            await answer.Content.LoadIntoBufferAsync(LongestAnswer, deadline.Token);
            using var json = UntrustedJson.ParseDocument(await answer.Content.ReadAsByteArrayAsync(deadline.Token));
            return Read(json.RootElement) ?? throw RegistryException.Unusable(request.Method, realm, "no token in the answer");
        }
        catch (OperationCanceledException)
        {
            throw RegistryException.NoAnswer(
                request.Method, realm, new TimeoutException($"the token was not complete after {Patience.TotalSeconds:0} s"));
        }
        catch (Exception e) when (e is HttpRequestException or IOException or TimeoutException)
        {
            throw RegistryException.NoAnswer(request.Method, realm, e);
        }
        catch (ForbiddenAddressException e)
        {
            throw new RegistryException(RegistryErrorKind.Broken,
                $"{wanted.Host} names a token server, {RegistryException.Show(realm)}, that is refused: {e.Message}", isTransient: false);
        }
        catch (JsonException e)
        {
            throw RegistryException.Unusable(request.Method, realm, $"the answer is not JSON ({e.Message})");
        }
    }

    private static Uri RealmOf(TokenRequest wanted, Uri registry)
    {
        var cause = "its realm is no http or https address";
        try
        {
            if (wanted.Realm.Contains("://", StringComparison.Ordinal)
                && UriReference.Resolve(registry, wanted.Realm) is { Scheme: "http" or "https" } realm)
                return realm;
        }
        catch (UriFormatException e)
        {
            cause = $"of its realm, {e.Message}";
        }
        throw new RegistryException(RegistryErrorKind.Broken, $"{wanted.Host} names no usable token server: {cause}", isTransient: false);
    }

    private static HttpRequestMessage Get(Uri realm, IEnumerable<KeyValuePair<string, string>> fields, RegistryCredential? credential)
    {
        var query = string.Join('&', fields.Select(f => $"{f.Key}={Uri.EscapeDataString(f.Value)}"));
        var request = RegistryRequest.Create(HttpMethod.Get, UriReference.WithQuery(realm, query));
        request.Headers.Authorization = credential?.ToBasic();
        return request;
    }

    private static HttpRequestMessage Post(Uri realm, IEnumerable<KeyValuePair<string, string>> fields, string identity)
    {
        // OAuth2 has one scope field, its parts separated by spaces.
        var byName = fields.GroupBy(f => f.Key).Select(g => KeyValuePair.Create(g.Key, string.Join(' ', g.Select(f => f.Value))));
        var request = RegistryRequest.Create(HttpMethod.Post, realm);
        request.Content = new FormUrlEncodedContent(
            [.. byName, new("grant_type", "refresh_token"), new("client_id", "kuik"), new("refresh_token", identity)]);
        return request;
    }

    private Token? Read(JsonElement answer)
    {
        if (answer.ValueKind != JsonValueKind.Object)
            return null;
        var value = Text(answer, "token") ?? Text(answer, "access_token");
        if (value is null || value.AsSpan().ContainsAnyExceptInRange('!', '~'))   // it has to fit into a header
            return null;
        var lifetime = answer.TryGetProperty("expires_in", out var seconds) && seconds.ValueKind == JsonValueKind.Number
            && seconds.TryGetDouble(out var number) && number is > 0 and < 1e9
            ? TimeSpan.FromSeconds(number) : DefaultLifetime;
        return new Token(value, time.GetUtcNow() + lifetime * 0.9);   // so that it does not expire under way
    }

    private static string? Text(JsonElement answer, string name) =>
        answer.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 } text
            ? text
            : null;

    private void Forget()
    {
        foreach (var entry in _tokens)
            if (entry.Value.Value is { IsCompleted: true } ended
                && (!ended.IsCompletedSuccessfully || ended.Result.ExpiresAt <= time.GetUtcNow()))
                _tokens.TryRemove(entry);
        if (_tokens.Count >= MostTokens)
            _tokens.Clear();
    }

    private sealed record Token(string Value, DateTimeOffset ExpiresAt);
}
