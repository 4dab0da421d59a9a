using System.Text.Json;
using Kuik.Kubernetes;
using Kuik.PodWatcher;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class V1FinalizersTests
{
    [Theory]
    [InlineData("cachedimage.kuik.enix.io/finalizer")]
    [InlineData("repository.kuik.enix.io/finalizer")]
    public void Those_of_v1_are_removed_from_the_object_that_was_seen(string finalizer)
    {
        var metadata = new ObjectMeta { ResourceVersion = "7", Finalizers = [finalizer] };

        Assert.Equal("""{"metadata":{"resourceVersion":"7","finalizers":null}}""", V1Finalizers.Removal(metadata)!.ToJsonString());
    }

    [Fact]
    public void Those_of_others_stay()
    {
        var metadata = new ObjectMeta
        { ResourceVersion = "7", Finalizers = ["example.com/a", "cachedimage.kuik.enix.io/finalizer", "foregroundDeletion"] };

        Assert.Equal(
            """{"metadata":{"resourceVersion":"7","finalizers":["example.com/a","foregroundDeletion"]}}""", V1Finalizers.Removal(metadata)!.ToJsonString());
        Assert.Null(V1Finalizers.Removal(new ObjectMeta { Finalizers = ["example.com/a"] }));
        Assert.Null(V1Finalizers.Removal(new ObjectMeta()));
    }

    [Theory]
    [InlineData("kuik-status", "status", true)]
    [InlineData("kuik", "spec", false)]
    [InlineData("manager", "status", false)]
    public void A_Repository_that_Kuik_has_not_shown_is_told_apart_from_one_of_its_own(string manager, string field, bool isShown)
    {
        using var fields = JsonDocument.Parse($$"""{"f:{{field}}":{} }""");
        var resource = new Repository
        { Metadata = new ObjectMeta { ManagedFields = [new ManagedFields(manager, "Apply", fields.RootElement)] } };

        Assert.Equal(isShown, resource.ToKeep(text => text).IsShown);
    }
}
