namespace Kuik.PodWatcher.Setup;

/// <summary>Waiting does not help: a person has to change something. The message says what.</summary>
internal sealed class SetupRefusedException(string message) : Exception(message);
