using Kuik.EventLog.Audit;

namespace Kuik.Expiry.Audit;

/// <summary>A question of the API: what is mapped, answered and described in the OpenAPI document.</summary>
/// <param name="Name">The last part of its path.</param>
/// <param name="Summary">One sentence for the document.</param>
/// <param name="Answer">The type of the answer's JSON.</param>
/// <param name="Parameters">All parameters that it reads.</param>
internal sealed record AuditOperation(string Name, string Summary, Type Answer, IReadOnlyList<AuditParameter> Parameters)
{
    /// <summary>True when it folds the whole log.</summary>
    public bool IsFold { get; init; }

    /// <summary>Reads the question, and answers it; null where the endpoint is more than that. A wrong question is refused before there is
    /// a connection.</summary>
    public Func<AuditQuery, Func<LogAnswers, CancellationToken, Task<object>>>? Prepare { get; init; }

    /// <summary>True when it can be asked about one namespace.</summary>
    public bool IsOfNamespace => Parameters.Any(parameter => parameter.Name == AuditOperations.Namespace);
}
