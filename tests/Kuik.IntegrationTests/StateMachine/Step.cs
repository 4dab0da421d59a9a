namespace Kuik.IntegrationTests.StateMachine;

/// <summary>One step of a schedule.</summary>
/// <param name="Text">For the printed schedule.</param>
/// <param name="Run">Does it.</param>
/// <param name="Pause">The time until the next step.</param>
internal sealed record Step(string Text, Func<Machine, Task> Run, TimeSpan Pause = default);
