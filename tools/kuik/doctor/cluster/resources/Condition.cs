namespace Kuik.CommandLine.Doctor;

internal sealed record Condition(string? Type, string? Status, string? Reason = null, string? Message = null);
