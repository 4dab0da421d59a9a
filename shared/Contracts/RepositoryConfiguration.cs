namespace Kuik.Contracts;

/// <summary>The state of a stream <c>repository/{name}</c>: what people want for all images of the repository.</summary>
public sealed record RepositoryConfiguration
{
    /// <summary>Before the first event, and when everything was withdrawn.</summary>
    public static readonly RepositoryConfiguration Initial = new();

    /// <inheritdoc cref="RepositoryConfigured.PullSecretNames"/>
    public IReadOnlyList<string> PullSecretNames { get; init; } = [];

    /// <inheritdoc cref="RepositoryConfigured.PullSecretsNamespace"/>
    public string? PullSecretsNamespace { get; init; }

    /// <inheritdoc cref="RepositoryConfigured.UpdateInterval"/>
    public TimeSpan? UpdateInterval { get; init; }

    /// <inheritdoc cref="RepositoryConfigured.UpdateFilters"/>
    public IReadOnlyList<string> UpdateFilters { get; init; } = [];

    /// <summary>The state after one more event; the same instance when it is of another type.</summary>
    public static RepositoryConfiguration Fold(RepositoryConfiguration state, object fact) => fact is not RepositoryConfigured e
        ? state
        : new()
        {
            PullSecretNames = e.PullSecretNames,
            PullSecretsNamespace = e.PullSecretsNamespace,
            UpdateInterval = e.UpdateInterval,
            UpdateFilters = e.UpdateFilters,
        };

    /// <summary>The event that makes this the configuration; null when it is already.</summary>
    /// <param name="wanted">The wishes of people as they are now.</param>
    /// <param name="repository">With its host.</param>
    /// <param name="now">UTC.</param>
    public RepositoryConfigured? ChangeTo(RepositoryConfiguration wanted, string repository, DateTimeOffset now) => Equals(wanted)
        ? null
        : new RepositoryConfigured(
            repository, wanted.PullSecretNames, wanted.PullSecretsNamespace, wanted.UpdateInterval, wanted.UpdateFilters, now);

    /// <inheritdoc/>
    public bool Equals(RepositoryConfiguration? other) => other is not null
        && PullSecretsNamespace == other.PullSecretsNamespace && UpdateInterval == other.UpdateInterval
        && PullSecretNames.SequenceEqual(other.PullSecretNames) && UpdateFilters.SequenceEqual(other.UpdateFilters);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(PullSecretsNamespace, UpdateInterval, PullSecretNames.Count, UpdateFilters.Count);
}
