using Kuik.Contracts;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>The sources that could not answer a request, in order: for the error body, and for the log.</summary>
internal sealed class PassedSources
{
    private readonly List<string> _told = [];
    private readonly List<string> _logged = [];
    private readonly List<string> _failed = [];

    /// <summary>For the log; empty when there are none.</summary>
    public string Note => string.Join("; ", _logged);

    public void Add(string source, string why)
    {
        _told.Add($"{source}: {why}");
        _logged.Add($"{source}: {why}");
    }

    public void Add(string source, Answer.Passed pass)
    {
        _told.Add($"{source}: {pass.Why}");
        _logged.Add($"{source}: {pass.Detail ?? pass.Why}");
        if (pass.IsSilent && source != CacheSource.CacheName)   // it knows nothing of an origin
            _failed.Add(_told[^1]);
    }

    /// <summary>Adds a remark to the log only.</summary>
    public string NoteWith(string remark) => string.Join("; ", _logged.Append(remark));

    /// <summary>
    /// The refusal that ends the request, with the sources before it that failed: a 401 of the origin may only mean that image-fetcher
    /// could not ask with credentials.
    /// </summary>
    public Answer.Refused Explain(Answer.Refused refused) =>
        _failed.Count == 0 ? refused : refused with { Body = ErrorBody.Append(refused.Body, $" ({string.Join("; ", _failed)})") };

    /// <summary>The error when no source is left.</summary>
    public Answer.Refused NoneLeft(ImageReference image) =>
        new(502, RegistryErrors.Body("UNAVAILABLE", $"no source of {image} answered: {string.Join("; ", _told)}"), null);
}
