using System.Globalization;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.CopyEngine;

/// <summary>The registry's own garbage collection, run for real, on whatever a cache has been through.</summary>
public sealed class GarbageCollectionTests
{
    private const int Steps = 25;

    /// <summary>Seeds, and whether the registry can delete a tag. <c>KUIK_TEST_SEED</c> names another seed.</summary>
    public static TheoryData<int, bool> Lives =>
        int.TryParse(Environment.GetEnvironmentVariable("KUIK_TEST_SEED"), CultureInfo.InvariantCulture, out var seed)
        ? new() { { seed, false }, { seed, true } }
        : new() { { 1, false }, { 2, true }, { 3, false }, { 4, true } };

    [Theory]
    [MemberData(nameof(Lives))]
    public async Task After_any_copies_evictions_and_crashes_it_leaves_what_is_cached_whole_and_frees_the_rest(int seed, bool canDeleteTags)
    {
        var (origin, cache) = (await Registry.Start(), await Registry.Start());
        await using var tagDeleting = canDeleteTags ? await TagDeletingFront.Start(cache) : null;
        var front = await CutFront.Start(tagDeleting?.Endpoint ?? cache.Endpoint.ToString());
        await using var life = await RandomCacheLife.Start(seed, origin, cache, front);
        try
        {
            for (var step = 0; step < Steps; step++)
                await life.Step();
            await life.Settle();

            await life.CollectGarbage(deleteUntagged: false);
            life.AssertNothingElse();
            await life.CollectGarbage(deleteUntagged: true);
            life.AssertNothingElse();
        }
        catch (Exception fault)
        {
            throw new InvalidOperationException($"with the seed {seed}, after\n{life.Story}\n{fault.Message}", fault);
        }
    }
}
