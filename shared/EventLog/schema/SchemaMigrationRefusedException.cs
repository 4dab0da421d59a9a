namespace Kuik.EventLog;

/// <summary>The tables differ from those of this version in a way that additions cannot resolve.</summary>
public sealed class SchemaMigrationRefusedException(string message) : Exception(message);
