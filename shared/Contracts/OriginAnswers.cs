namespace Kuik.Contracts;

/// <summary>The answers of an origin that was asked for a cached image: <see cref="OriginChecked.Answer"/>.</summary>
public static class OriginAnswers
{
    /// <summary>It has what the cache has.</summary>
    public const string Same = "same";

    /// <summary>It has no such image any more: the cache keeps it.</summary>
    public const string Gone = "gone";

    /// <summary>It refuses every credential there is: the cache keeps the image.</summary>
    public const string Refused = "refused";

    /// <summary>True for an answer that stands until the origin or a person changes something; false when it is asked again soon.</summary>
    public static bool IsFinal(string answer) => answer is Same or Gone or Refused;
}
