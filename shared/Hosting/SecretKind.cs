namespace Kuik.Hosting;

/// <summary>The kind of content of a <see cref="SecretFile"/>.</summary>
public enum SecretKind
{
    /// <summary>Any text on one line.</summary>
    Password,

    /// <summary>A token of <c>Authorization: Bearer</c>.</summary>
    Token,
}
