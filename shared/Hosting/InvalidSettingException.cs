namespace Kuik.Hosting;

/// <summary>A setting that the service cannot start with. The message is the one line that is printed.</summary>
public sealed class InvalidSettingException(string key, string? value, string accepted)
    : Exception($"{key}: \"{value}\" is not accepted; it must be {accepted}");
