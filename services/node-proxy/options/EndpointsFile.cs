using Kuik.Hosting;

namespace Kuik.NodeProxy;

/// <summary>
/// Where cache and image-fetcher are now, from the file that <c>Kuik:Endpoints:File</c> names: lines such as
/// <c>cache=http://10.96.0.7:5000</c> and <c>fetcher=http://[fd00:10:96::8]:8080</c>;
/// nothing after <c>=</c> means that there is none, a line that is not there leaves the setting as it is, <c>#</c> begins a comment. The
/// environment of a container keeps the address
/// that a Service had when it was started; a mounted ConfigMap changes with it. See docs/decisions/0008-node-proxy-addresses.md.
/// </summary>
/// <remarks>
/// The file is read again and again instead of watched: Kubernetes swaps a symbolic link two levels above it, which a watch of the file
/// does not see.
/// </remarks>
internal sealed class EndpointsFile(ProxyOptions options, SourceAddresses addresses, TimeProvider time, ILogger<EndpointsFile> logger)
    : BackgroundService
{
    /// <summary>Between two looks.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(5);

    private string? _read;

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        if (options.EndpointsFile is not null)
            await Reload(cancellationToken);   // before the first request
        if (addresses.Cache.Current is null)
            logger.LogWarning(
                "the cache registry has no address (Kuik:Cache:ReadEndpoint names a Service that does not exist): it is passed over");
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.EndpointsFile is null)
            return;
        using var timer = new PeriodicTimer(Interval, time);
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken))
                await Reload(stoppingToken);
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Its end, also after a failed start, which the host would log as this service's failure.
        }
    }

    /// <summary>
    /// Reads the file and applies what has changed. A missing file changes nothing; unusable content is logged
    /// once, and the address kept.
    /// </summary>
    public async Task Reload(CancellationToken ct)
    {
        string text;
        try
        {
            text = await File.ReadAllTextAsync(options.EndpointsFile!, ct);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (e is not (FileNotFoundException or DirectoryNotFoundException) && _read != e.Message)
            {
                _read = e.Message;
                logger.LogWarning("{File} cannot be read: {Why}; the addresses stay as they are", options.EndpointsFile, e.Message);
            }
            return;
        }
        if (text == _read)
            return;
        _read = text;
        Apply("cache", addresses.Cache, text);
        Apply("fetcher", addresses.Fetcher, text);
    }

    private void Apply(string name, SourceAddress address, string text)
    {
        var line = text.Split('\n').Select(l => l.Trim()).LastOrDefault(l => l.StartsWith(name + "=", StringComparison.Ordinal));
        var value = line?[(name.Length + 1)..].Trim();
        Uri? now = null;
        if (value is null)
            now = address.Configured;
        else if (value.Length > 0 && !ConfigurationReader.TryParseEndpoint(value, out now))
        {
            logger.LogWarning(
                "{File}: \"{Value}\" is not an address of the {Name} such as http://10.96.0.7:5000; it stays {Address}",
                options.EndpointsFile, value, name, address.Current);
            return;
        }
        if (now == address.Current)
            return;
        logger.LogInformation("the address of the {Name} is now {Address}, was {Before}",
            name, now?.AbsoluteUri ?? "none", address.Current?.AbsoluteUri ?? "none");
        address.Current = now;
    }
}
