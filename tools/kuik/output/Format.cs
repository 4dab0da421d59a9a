namespace Kuik.CommandLine.Output;

/// <summary>The format of a list.</summary>
internal enum Format
{
    /// <summary>A table with the most important columns.</summary>
    Table,

    /// <summary>A table with all columns.</summary>
    Wide,

    /// <summary>One JSON document.</summary>
    Json,

    /// <summary>The same document as YAML.</summary>
    Yaml,
}
