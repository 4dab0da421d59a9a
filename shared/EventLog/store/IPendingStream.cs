namespace Kuik.EventLog;

internal interface IPendingStream
{
    string Name { get; }
    long Version { get; }
    IReadOnlyList<object> Pending { get; }
}
