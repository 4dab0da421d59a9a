using JasperFx;
using JasperFx.Events;
using Marten;
using Marten.Exceptions;
using Marten.Services;
using Npgsql;

namespace Kuik.EventLog;

/// <summary>
/// Runs decisions against the event log. Injected as a singleton:
/// <code>
/// await transactions.Run(async log =>
/// {
///     await ImageLocks.TakeToExpire(log, image, ct);
///     var stream = await log.ReadImage(image, ct);
///     if (Decide(stream.State, await ImageUsers.Count(log.Connection, image, ct), now) is { } fact)
///         stream.Append(fact);
/// }, ct);
/// </code>
/// </summary>
public sealed class EventLogTransactions(IDocumentStore store, NpgsqlDataSource postgres, EventLogReady ready, string service)
{
    /// <summary>Gets failures and successes of writes; null for none.</summary>
    internal PostgresAvailability? Availability { get; init; }

    /// <summary>Counts the attempts; null for none.</summary>
    internal EventLogMetrics? Metrics { get; init; }

    /// <summary>
    /// How long the message of a new request, or of an expiry, may stay without effect before it is announced again. Default one minute.
    /// </summary>
    public TimeSpan Announcement { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>
    /// Maximum attempts after write conflicts. After the first conflict, attempts are serialised per stream, so this limit is a backstop.
    /// </summary>
    private const int Attempts = 20;

    /// <inheritdoc cref="Execute{T}"/>
    public Task Execute(Func<EventLogTransaction, Task> decide, CancellationToken ct) =>
        Execute(async transaction => { await decide(transaction); return true; }, ct);

    /// <summary>
    /// Runs a decision in one transaction and commits it. After a conflict with another writer, or a deadlock, everything is
    /// read and decided again: the decision must have no effects outside the transaction. Waits for Postgres when it has not
    /// answered since this process started.
    /// </summary>
    /// <param name="decide">Reads, locks, appends. The result is that of the committed attempt.</param>
    /// <param name="ct">Cancels it; nothing is committed then.</param>
    /// <exception cref="NpgsqlException">Postgres is unreachable or fails; Marten may wrap it. Check
    /// <see cref="EventLogFault.MeansAway"/>.</exception>
    public async Task<T> Execute<T>(Func<EventLogTransaction, Task<T>> decide, CancellationToken ct)
    {
        await ready.Wait(ct);
        try
        {
            return await RunUntilNoConflict(decide, ct);
        }
        catch (Exception e) when (e is not OperationCanceledException && !ct.IsCancellationRequested)
        {
            Metrics?.CountFailed(e);
            if (EventLogFault.MeansNoWrites(e))
                Availability?.ReportFailure("transactions", e, isSilent: true);   // the caller logs it
            throw;
        }
    }

    private async Task<T> RunUntilNoConflict<T>(Func<EventLogTransaction, Task<T>> decide, CancellationToken ct)
    {
        IReadOnlyList<string> lost = [];
        for (var attempt = 1; ; attempt++)
        {
            await using var connection = await postgres.OpenConnectionAsync(ct);
            await using var transaction = await connection.BeginTransactionAsync(ct);
            await using var session = store.LightweightSession(SessionOptions.ForTransaction(transaction));
            Sign(session);
            var decision = new EventLogTransaction(session, connection, Announcement);
            try
            {
                await WaitInLine(connection, lost, ct);
                if (lost.Count > 0)
                    await PodArchive.Restore(connection, lost, ct);
                var result = await decide(decision);
                await decision.Save(ct);
                await transaction.CommitAsync(ct);
                Metrics?.CountCommitted();
                if (decision.Appended.Count > 0)
                    Availability?.ReportSuccess("transactions");
                return result;
            }
            catch (Exception e) when (attempt < Attempts && IsConflict(e))
            {
                // Another writer has committed: read and decide again.
                Metrics?.CountConflict();
                lost = decision.Appended;
            }
        }
    }

    /// <summary>Records the writer: the program, its process and its version. Each event has its trace beside that.</summary>
    private void Sign(IDocumentSession session)
    {
        session.SetHeader("service", service);
        session.SetHeader("replica", WriterIdentity.Replica);
        session.SetHeader("version", WriterIdentity.Version);
    }

    // After a conflict, attempts for a stream run one after the other, and conflict only with first attempts. Without this, the last of
    // many is overtaken by all of them. Taken before any other lock, so that no lock is held during this wait.
    private static Task WaitInLine(NpgsqlConnection connection, IReadOnlyList<string> lost, CancellationToken ct) =>
        lost.Count == 0 ? Task.CompletedTask : AdvisoryLocks.Take(connection, lost.Select(stream => "again/" + stream), ct);

    // Marten has several exceptions for a conflict with another writer of the stream; two of them share one name.
    private static bool IsConflict(Exception e) => e switch
    {
        EventStreamUnexpectedMaxEventIdException => true,
        JasperFx.Events.ExistingStreamIdCollisionException => true,
        Marten.Exceptions.ExistingStreamIdCollisionException => true,
        ConcurrencyException => true,
        _ when MeansArchived(e) => true,
        PostgresException { SqlState: PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure } => true,
        PostgresException { SqlState: PostgresErrorCodes.UniqueViolation, TableName: { } table } =>
            table.StartsWith("mt_", StringComparison.Ordinal),
        { InnerException: { } inner } => IsConflict(inner),
        _ => false,
    };

    // A pod may return after its stream was archived, if its label was removed for days.
    private static bool MeansArchived(Exception e) =>
        e is InvalidStreamOperationException or PostgresException { SqlState: "MT001" }
            || (e.InnerException is { } inner && MeansArchived(inner));
}
