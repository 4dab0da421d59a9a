namespace Kuik.EventLog;

internal interface IPendingStream
{
    string Name { get; }
    long Version { get; }
    IReadOnlyList<PendingEvent> Pending { get; }
}
