using System.Security.Cryptography;
using System.Text;
using Kuik.EventLog;
using Kuik.EventLog.Audit;
using Kuik.PodWatcher;
using Marten;
using Xunit;

namespace Kuik.Tests.EventLog;

public class EventLogSchemaTests
{
    /// <summary>Of the script that makes the schema from nothing.</summary>
    private const string Checksum = "b07234a36b1f601e5ad455dd3c68bf2713e094396c8889ae3d4cf12bc3718419";

    [Fact]
    public void Tables_functions_and_indexes_do_not_change_without_a_new_schema_version()
    {
        using var store = DocumentStore.For(options =>
        {
            options.Connection("Host=127.0.0.1;Database=none;Username=none");
            EventLogSetup.Configure(options);
            WatcherSetup.Documents(options);
        });

        var script = store.Storage.ToDatabaseScript().ReplaceLineEndings("\n") + PodArchive.Index + PodArchive.WorkloadIndex
            + EventIndexes.ImagesIndex + EventIndexes.UserNameIndex;
        var checksum = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(script)));

        Assert.True(checksum == Checksum,
            $"the schema has changed: raise EventLogSchema.Version (now {EventLogSchema.Version}) if that version has been released, and "
                + $"put {checksum} here");
    }

    [Theory]
    [InlineData(0, "the event log's schema has no version, this version needs 1: run pod-watcher migrate")]
    [InlineData(EventLogSchema.Version, null)]
    [InlineData(EventLogSchema.Version + 1, null)]
    public void A_service_can_use_its_own_version_and_newer_ones(int recorded, string? problem) =>
        Assert.Equal(problem, EventLogSchema.ProblemOf(recorded));
}
