using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.Kubernetes;
using Npgsql;

namespace Kuik.PodWatcher;

/// <summary>
/// Records what people want for the images of a repository: the spec of its resource as it is. A deletion that was seen withdraws it. That
/// a resource is absent from a list withdraws nothing; it is written again, by its name alone, and says what holds then.
/// </summary>
internal sealed partial class RepositoryIntentRecorder(
    EventLogTransactions transactions, NpgsqlDataSource postgres, WatcherMetrics metrics, ILogger<RepositoryIntentRecorder> logger)
{
    /// <summary>The shortest interval of comparisons: each is a request to the origin, which counts them.</summary>
    public static readonly TimeSpan ShortestInterval = TimeSpan.FromMinutes(1);

    private readonly Dictionary<string, RepositoryConfiguration> _recorded = [];
    private IReadOnlySet<string>? _configured;

    /// <summary>The configuration in a spec.</summary>
    /// <param name="spec">Null for none.</param>
    /// <returns>The configuration, without what cannot be used; and a sentence about that, null for nothing.</returns>
    public static (RepositoryConfiguration Wanted, string? Problem) From(RepositorySpec? spec)
    {
        var problems = new List<string>();
        TimeSpan? every = null;
        if (spec?.UpdateInterval is { } text)
        {
            if (GoDuration.TryParse(text, out var interval) && interval >= ShortestInterval)
                every = interval;
            else
                problems.Add($"spec.updateInterval \"{text}\" is not a duration of a minute or more, such as 24h or 1h30m: its images are "
                    + "not refreshed");
        }
        foreach (var filter in spec?.UpdateFilters ?? [])
            if (!GoExpression.TryParse(filter, out _, out var problem))
                problems.Add($"spec.updateFilters \"{filter}\" is not a regular expression that can be used, and matches no image: "
                    + $"{problem}");
        var wanted = new RepositoryConfiguration
        {
            PullSecretNames = spec?.PullSecretNames ?? [],
            PullSecretsNamespace = spec?.PullSecretsNamespace,
            UpdateInterval = every,
            UpdateFilters = spec?.UpdateFilters ?? [],
        };
        return (wanted, problems.Count == 0 ? null : string.Join("; ", problems));
    }

    /// <summary>Records it, if it is news.</summary>
    /// <param name="repository">With its host.</param>
    /// <param name="spec">Null when the resource was deleted.</param>
    /// <param name="ct">Ends it.</param>
    /// <returns>A sentence about what cannot be used; null for nothing.</returns>
    public async Task<string?> Record(string repository, RepositorySpec? spec, CancellationToken ct)
    {
        var (wanted, problem) = From(spec);
        if (_recorded.TryGetValue(repository, out var before) && before.Equals(wanted))
            return problem;
        _configured ??= await RepositoryConfigurations.Names(postgres, ct);
        // most say nothing
        var isNews = !wanted.Equals(RepositoryConfiguration.Initial) || before is not null || _configured.Contains(repository);
        if (isNews && await transactions.Execute(log => RepositoryConfigurations.Change(log, repository, wanted, ct), ct))
        {
            metrics.CountRecorded(nameof(RepositoryConfigured));
            LogRecorded(repository);
        }
        _recorded[repository] = wanted;
        return problem;
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Repository {Repository}: its spec is recorded")]
    private partial void LogRecorded(string repository);
}
