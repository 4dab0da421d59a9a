using Kuik.EventLog;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Npgsql;
using Xunit;

namespace Kuik.Tests.EventLog;

public sealed class EventLogWorkerTests : IDisposable
{
    private static readonly CancellationToken Any = CancellationToken.None;
    private readonly FakeTimeProvider _time = new();
    private readonly NpgsqlDataSource _postgres = NpgsqlDataSource.Create("Host=127.0.0.1;Database=none");
    private readonly PostgresAvailability _availability;
    private readonly EventLogReady _ready = new();
    private Exception? _fault;

    public EventLogWorkerTests() => _availability = new PostgresAvailability(_postgres, _time, NullLogger<PostgresAvailability>.Instance);

    public void Dispose() => _postgres.Dispose();

    [Fact]
    public async Task A_pass_that_Postgres_fails_is_followed_by_longer_and_longer_pauses_up_to_fifteen_seconds_and_the_cause_is_shown()
    {
        using var worker = new Sweep(this);
        _fault = new PostgresException("could not extend file: No space left on device", "ERROR", "ERROR", PostgresErrorCodes.DiskFull);

        var pauses = new List<TimeSpan>();
        for (var i = 0; i < 8; i++)
            pauses.Add(await worker.RunPassOrBackOff(Any));

        var most = new[] { 1, 2, 4, 8, 15, 15, 15, 15 };
        Assert.All(pauses.Zip(most), pair => Assert.InRange(pair.First.TotalSeconds, pair.Second / 2.0, pair.Second));
        Assert.Equal("could not extend file: No space left on device", _availability.Reason);
    }

    [Fact]
    public async Task After_one_good_pass_everything_is_as_before_and_the_time_away_is_counted()
    {
        using var worker = new Sweep(this);
        _fault = new NpgsqlException("no answer");
        await worker.RunPassOrBackOff(Any);
        _time.Advance(TimeSpan.FromSeconds(30));
        _fault = null;

        var pause = await worker.RunPassOrBackOff(Any);
        _time.Advance(TimeSpan.FromSeconds(30));

        Assert.Equal(TimeSpan.FromMinutes(1), pause);
        Assert.Null(_availability.Reason);
        Assert.Equal(TimeSpan.FromSeconds(30), _availability.Away);
    }

    [Fact]
    public async Task A_failure_that_is_not_repeated_is_forgotten_after_two_minutes()
    {
        using var worker = new Sweep(this);
        _fault = new NpgsqlException("no answer");
        await worker.RunPassOrBackOff(Any);

        _time.Advance(TimeSpan.FromMinutes(2));
        Assert.NotNull(_availability.Reason);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(_availability.Reason);
    }

    [Fact]
    public async Task A_fault_of_the_program_propagates()
    {
        using var worker = new Sweep(this);
        _fault = new InvalidCastException();

        await Assert.ThrowsAsync<InvalidCastException>(() => worker.RunPassOrBackOff(Any));
    }

    private sealed class Sweep(EventLogWorkerTests test)
        : EventLogWorker("sweep", TimeSpan.FromMinutes(1), test._ready, test._availability, test._time)
    {
        protected override Task RunPass(CancellationToken ct) => test._fault is { } fault ? Task.FromException(fault) : Task.CompletedTask;
    }
}
