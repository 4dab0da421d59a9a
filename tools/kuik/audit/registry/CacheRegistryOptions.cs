using System.CommandLine;
using Kuik.Hosting;
using Kuik.Oci;

namespace Kuik.CommandLine.Audit;

/// <summary><c>--registry</c> and what belongs to it: the way to the cache registry.</summary>
internal sealed class CacheRegistryOptions
{
    private const double DefaultRate = 100;

    private readonly Option<string?> _address = new("--registry")
    {
        Description = "Also compare the cache registry at this address: each manifest and blob of each cached image has to be there, and "
            + "no image that the log does not know. No blob is read",
        HelpName = "url",
    };

    private readonly Option<string?> _user = new("--registry-user")
    {
        Description = "User of the cache registry. Default: none",
        HelpName = "name",
    };

    private readonly Option<FileInfo?> _password = new("--registry-password-file")
    {
        Description = "File with that user's password",
        HelpName = "file",
    };

    private readonly Option<double> _rate = new("--registry-rate")
    {
        Description = "Requests a second to the cache registry at most; nodes pull from it meanwhile",
        DefaultValueFactory = _ => DefaultRate,
        HelpName = "number",
    };

    /// <summary>Adds the options to a command.</summary>
    public void AddTo(Command command)
    {
        foreach (var option in new Option[] { _address, _user, _password, _rate })
            command.Options.Add(option);
        command.Validators.Add(result =>
        {
            if (result.GetResult(_address) is null && (result.GetResult(_user) ?? result.GetResult(_password)) is not null)
                result.AddError("--registry-user and --registry-password-file need --registry.");
            if (result.GetResult(_rate) is { Implicit: false } rate && rate.GetValueOrDefault<double>() <= 0)
                result.AddError("--registry-rate has to be more than 0.");
        });
    }

    /// <summary>A client of the registry; null when none is named. Sends no request yet.</summary>
    /// <exception cref="InvalidSettingException">The address or the password file is not usable.</exception>
    public async Task<CacheRegistryReader?> Connect(ParseResult arguments, CancellationToken ct)
    {
        if (arguments.GetValue(_address) is not { } text)
            return null;
        if (!ConfigurationReader.TryParseEndpoint(text, out var address))
            throw new InvalidSettingException("--registry", text, "an address such as http://127.0.0.1:5000");
        return new CacheRegistryReader(address, await ReadCredential(arguments, ct), arguments.GetValue(_rate));
    }

    private async Task<RegistryCredential?> ReadCredential(ParseResult arguments, CancellationToken ct)
    {
        if (arguments.GetValue(_user) is not { } user)
            return null;
        if (arguments.GetValue(_password) is not { } file)
            throw new InvalidSettingException("--registry-password-file", null, "a file with the password of --registry-user");
        try
        {
            return new RegistryCredential(user, (await File.ReadAllTextAsync(file.FullName, ct)).TrimEnd('\r', '\n'));
        }
        catch (UnauthorizedAccessException fault)
        {
            throw new InvalidSettingException("--registry-password-file", file.FullName, $"a readable file ({fault.Message})");
        }
    }
}
