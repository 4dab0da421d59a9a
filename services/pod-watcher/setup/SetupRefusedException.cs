namespace Kuik.PodWatcher.Setup;

/// <summary>A retry does not help: an operator has to act first. The message states the action.</summary>
internal sealed class SetupRefusedException(string message) : Exception(message);
