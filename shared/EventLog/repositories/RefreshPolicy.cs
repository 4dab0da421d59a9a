using System.Text.RegularExpressions;
using Kuik.Contracts;

namespace Kuik.EventLog;

/// <summary>When the images of a repository are compared with their origin.</summary>
public sealed class RefreshPolicy
{
    private const string HubLibrary = "docker.io/library/";
    private const string Hub = "docker.io/";
    private readonly IReadOnlyList<Regex> _filters;

    /// <param name="every">Time between two comparisons of an image.</param>
    /// <param name="filters">Expressions that <see cref="GoExpression"/> accepts; others match nothing. None for all images.</param>
    public RefreshPolicy(TimeSpan every, IReadOnlyList<string> filters)
    {
        Every = every;
        _filters = [.. filters.Select(filter => GoExpression.TryParse(filter, out var regex, out _) ? regex : new Regex("(?!)"))];
    }

    /// <summary>Time between two comparisons of an image.</summary>
    public TimeSpan Every { get; }

    /// <summary>True when it holds for the image: no filter, or one that matches the reference, whole (<c>docker.io/library/nginx:1.27</c>)
    /// or as people write it (<c>nginx:1.27</c>).</summary>
    /// <param name="image">The normalised reference.</param>
    public bool Covers(string image)
    {
        var familiar = image.StartsWith(HubLibrary, StringComparison.Ordinal) ? image[HubLibrary.Length..]
            : image.StartsWith(Hub, StringComparison.Ordinal) ? image[Hub.Length..] : image;
        return _filters.Count == 0 || _filters.Any(filter => filter.IsMatch(image) || filter.IsMatch(familiar));
    }
}
