using System.CommandLine;
using System.CommandLine.Parsing;
using Kuik.Contracts;
using Kuik.EventLog.Audit;

namespace Kuik.CommandLine.Audit;

/// <summary>Arguments that take the subject of a question.</summary>
internal static class SubjectArgument
{
    /// <summary>An argument with an image, pod or workload.</summary>
    public static Argument<Subject?> Any() => new("subject") { Description = "Subject: " + Subject.Accepted, CustomParser = Read };

    /// <summary>An argument with an image.</summary>
    public static Argument<Subject?> Image() => new("image")
    {
        Description = "Image as in a pod, for example nginx:1.27 or registry.example.com/team/app@sha256:…",
        CustomParser = ReadImage,
    };

    private static Subject? Read(ArgumentResult result)
    {
        var (subject, problem) = Subject.Parse(result.Tokens.Single().Value);
        if (problem is not null)
            result.AddError(problem);
        return subject;
    }

    /// <summary>Reads an option or argument with an image.</summary>
    internal static Subject? ReadImage(ArgumentResult result)
    {
        var text = result.Tokens.Single().Value;
        if (ImageReference.TryParse(text, out var reference, out var problem))
            return new Subject(reference.ToString(), null, null, null);
        result.AddError($"'{text}' is not an image: {problem}");
        return null;
    }
}
