using Kuik.Contracts;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public sealed class ManifestBudgetTests
{
    private readonly PlanMemory memory = new();
    private readonly ManifestBudget budget;

    public ManifestBudgetTests() => budget = New();

    [Fact]
    public void What_is_exactly_at_every_limit_is_accepted()
    {
        budget.CheckIndex(Of(100), ManifestBudget.MaxEntries, ManifestBudget.MaxDepth - 1);
        budget.Announce(Entries(ManifestBudget.MaxManifests - 1, size: 1));
        budget.Add(Of((int)ManifestBudget.MaxBytes));
        for (var i = 0; i < ManifestBudget.MaxParts / ManifestBudget.MaxPartsOfManifest; i++)
            budget.AddParts(Of(1), ManifestBudget.MaxPartsOfManifest);
    }

    [Fact]
    public void An_index_with_one_entry_too_many_is_refused() =>
        AssertRefused(() => budget.CheckIndex(Of(100), 1_001, depth: 0), "1001 entries", "1000");

    [Fact]
    public void An_index_one_level_too_deep_is_refused() => AssertRefused(() => budget.CheckIndex(Of(100), 1, depth: 4), "4 levels");

    [Fact]
    public void Manifests_are_counted_over_all_indexes_of_an_image()
    {
        budget.Announce(Entries(200, size: 1));

        AssertRefused(() => budget.Announce(Entries(100, size: 1)), "301 manifests", "300");
    }

    [Fact]
    public void The_sizes_that_an_index_states_are_enough_to_refuse_it() =>
        AssertRefused(() => budget.Announce(Entries(9, size: 4 << 20)), $"{9 * (4 << 20)} bytes", $"{32 << 20}");

    [Fact]
    public void Sizes_whose_sum_is_no_number_are_refused() =>
        AssertRefused(() => budget.Announce(Entries(3, size: long.MaxValue)), "bytes");

    [Fact]
    public void Manifests_that_are_larger_than_stated_are_counted_as_they_are()
    {
        budget.Announce(Entries(9, size: 1));
        for (var i = 0; i < 8; i++)
            budget.Add(Of(4 << 20));

        AssertRefused(() => budget.Add(Of(1)), $"{(32 << 20) + 1} bytes");
    }

    [Fact]
    public void A_manifest_with_one_part_too_many_is_refused() =>
        AssertRefused(() => budget.AddParts(Of(1), 1_001), "1001 layers and configurations", "1000");

    [Fact]
    public void Parts_are_counted_over_all_manifests_of_an_image()
    {
        for (var i = 0; i < 10; i++)
            budget.AddParts(Of(1), 1_000);

        AssertRefused(() => budget.AddParts(Of(1), 1), "10001 layers and configurations", "10000");
    }

    [Fact]
    public void Large_images_that_are_copied_at_once_are_bounded_together_and_small_ones_go_on()
    {
        var large = Enumerable.Range(0, 4).Select(_ => New()).ToList();
        foreach (var one in large)
            one.Add(Of((int)ManifestBudget.MaxBytes));
        for (var i = 0; i < 4; i++)
            New().Add(Of((int)PlanMemory.FreeBytes));   // these count for nothing

        var further = New();
        further.Add(Of(1 << 20));
        var failure = Assert.Throws<CopyException>(() => further.Add(Of(8 << 20)));

        Assert.True(failure.RetryHelps);
        large[0].Dispose();
        large[0].Dispose();
        New().Add(Of(8 << 20));
    }

    /// <summary>For good, with what was found, the limit and what can be done.</summary>
    private static void AssertRefused(Action act, params string[] found)
    {
        var failure = Assert.Throws<CopyException>(act);

        Assert.Equal((CopyException.Broken, false), (failure.Kind, failure.RetryHelps));
        Assert.All(
            ["registry.example.com/team/web:1", "Kuik:Webhook:IgnoredImages", .. found],
            text => Assert.Contains(text, failure.Message, StringComparison.Ordinal));
    }

    private ManifestBudget New() => new(ImageReference.Parse("registry.example.com/team/web:1"), memory);

    private static List<IndexEntry> Entries(int count, long size) =>
        [.. Enumerable.Range(0, count).Select(i =>
            new IndexEntry($"sha256:{i:x64}", size, new Platform("linux", "amd64"), MayBeAny: false))];

    private static Manifest Of(int size) => new(new byte[size], MediaTypes.OciManifest, "sha256:" + new string('0', 64));
}
