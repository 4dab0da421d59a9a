namespace Kuik.EventLog.Audit;

/// <summary>The expressions by which the audit finds events of pods and workloads. An index on one of them has to be on exactly this
/// expression, of rows of <see cref="UserTypes"/>.</summary>
internal static class EventIndexes
{
    /// <summary>Events of pods and workloads.</summary>
    public const string UserTypes = "type in ('PodObserved', 'PodGone', 'WorkloadObserved', 'WorkloadGone')";

    /// <summary>The images of such an event: objects in an observation, references at the end.</summary>
    public const string Images = "(data -> 'images')";

    /// <summary>Namespace and name of the pod or workload.</summary>
    public const string UserName = "((data ->> 'namespace') || '/' || (data ->> 'name'))";

    /// <summary>The index by which the users of an image are found, at any place in the log.</summary>
    public const string ImagesIndex = $"""
        create index concurrently if not exists mt_events_user_images on {EventLogSetup.Schema}.mt_events
        using gin ({Images} jsonb_path_ops) where {UserTypes}
        """;

    /// <summary>The index by which the events of a pod or workload are found by its name.</summary>
    public const string UserNameIndex = $"""
        create index concurrently if not exists mt_events_user_name on {EventLogSetup.Schema}.mt_events ({UserName}) where {UserTypes}
        """;
}
