namespace Kuik.Oci;

/// <summary>The kind of a failed request, as far as callers distinguish it.</summary>
public enum RegistryErrorKind
{
    /// <summary>It has no such repository, manifest or blob (404, 410).</summary>
    Gone,

    /// <summary>Denied to this caller, or to all, until a person changes something (401, 402, 403, Harbor's policies with 412, 451; a
    /// rejected token with 400).</summary>
    Refused,

    /// <summary>It wants fewer requests (429, or another status with that code).</summary>
    RateLimited,

    /// <summary>It answered, but not with what it has to (5xx, a wrong digest, a truncated body).</summary>
    Broken,

    /// <summary>No connection, no TLS, or no answer in time.</summary>
    Unreachable,
}
