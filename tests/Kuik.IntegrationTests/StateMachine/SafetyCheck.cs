using System.Globalization;
using Npgsql;

namespace Kuik.IntegrationTests.StateMachine;

/// <summary>
/// After each step: an image that was in the cache while a live user of it was recorded stays there, all of it, as long as one of these
/// users lives, and its tag for the expiry delay after the last one. Not asked of an image of which the test has made the registry lose
/// something, until all of it is there again.
/// </summary>
internal sealed class SafetyCheck(Machine machine)
{
    /// <summary>Clocks of two machines, and the time that a deletion takes.</summary>
    private static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(300);

    private static readonly TimeSpan BeforeSecondLook = TimeSpan.FromMilliseconds(300);
    private const string Retention = "spec.retain";

    // A row of kind "verify" is there exactly while the image is recorded as cached.
    private const string RecordedUsers = """
        select u.pod_uid || ' ' || u.image from kuik.image_users u join kuik.work w on w.image = u.image and w.kind = 'verify'
        union all
        select 'spec.retain ' || s.image from kuik.image_states s join kuik.work w on w.image = s.image and w.kind = 'verify'
        where (s.state ->> 'isRetained')::boolean
        """;

    private readonly Dictionary<int, HashSet<string>> _guarded = [];
    private readonly Dictionary<int, DateTimeOffset> _keptUntil = [];

    /// <summary>The first violation; null for none.</summary>
    /// <param name="stepBegan">UTC: when the last step began.</param>
    public async Task<string?> FindViolation(DateTimeOffset stepBegan)
    {
        var recorded = await ReadRecorded();
        for (var image = 0; image < Machine.ImageCount; image++)
            if (await FindViolation(image, recorded, stepBegan) is { } violation)
                return violation;
        machine.Guarded.Clear();
        machine.Guarded.UnionWith(_guarded.Keys);
        return await FindSecondLeader();
    }

    private async Task<string?> FindSecondLeader()
    {
        if ((await machine.Services.FindLeaders()).Count < 2)
            return null;
        await Task.Delay(BeforeSecondLook);
        var leaders = await machine.Services.FindLeaders();
        return leaders.Count < 2 ? null : $"{string.Join(" and ", leaders)} lead at the same time";
    }

    private async Task<string?> FindViolation(int image, ILookup<string, string> recorded, DateTimeOffset stepBegan)
    {
        var name = machine.ImageNames[image];
        var live = machine.UsersOf(image).ToHashSet();
        if (machine.Retained.Contains(image))
            live.Add(Retention);
        Release(image, live, stepBegan);
        var digest = await machine.Content.DigestOf(name);
        if (digest is null)
            return null;   // the registry does not answer
        if (machine.Lost.Contains(image))
        {
            Forget(image);
            if (digest.Length > 0 && await machine.Content.FindFault(name) is null)
                machine.Lost.Remove(image);
            return null;
        }
        if (digest.Length == 0)
            return (_guarded.ContainsKey(image) || _keptUntil.ContainsKey(image)) && await IsStillMissing(name) ? Explain(image) : null;
        if (!machine.Versions[image].Exists(version => version.Digest == digest))
            return $"the tag of v{image} names {digest}, which its origin never had";
        // A tag that moves has another manifest in the next moment.
        if (_guarded.ContainsKey(image) && await machine.Content.FindFault(name) is not null
            && await machine.Content.FindFault(name) is { } fault)
            return $"v{image} was in the cache and is used, and {fault}";
        Guard(image, [.. recorded[name].Where(live.Contains)]);
        return null;
    }

    /// <summary>Ends the guard of an image whose users have gone; it is kept for the delay from then on.</summary>
    private void Release(int image, HashSet<string> live, DateTimeOffset stepBegan)
    {
        if (!_guarded.TryGetValue(image, out var guards))
            return;
        var wasUsed = guards.Any(user => user != Retention);
        guards.IntersectWith(live);
        if (guards.Count > 0)
            return;
        _guarded.Remove(image);
        // Else it may expire at once: the delay counts from the last use, and a deletion withdraws what a person asked for.
        if (wasUsed && !machine.Deleted.Contains(image))
            _keptUntil[image] = stepBegan + Machine.ExpiryDelay - Tolerance;
    }

    private void Guard(int image, IReadOnlyCollection<string> users)
    {
        if (users.Count == 0)
            return;
        if (_guarded.TryGetValue(image, out var guards))
            guards.UnionWith(users);
        else
            _guarded[image] = [.. users];
    }

    private void Forget(int image)
    {
        _guarded.Remove(image);
        _keptUntil.Remove(image);
    }

    private string? Explain(int image)
    {
        if (_guarded.TryGetValue(image, out var guards))
            return $"v{image} was in the cache, is used by {string.Join(", ", guards)}, and is not there any more";
        if (!_keptUntil.Remove(image, out var until) || machine.Deleted.Contains(image) || DateTimeOffset.UtcNow >= until)
            return null;
        return string.Create(CultureInfo.InvariantCulture,
            $"v{image} has left the cache {(until - DateTimeOffset.UtcNow).TotalSeconds:0.0} s before its delay was over");
    }

    // A tag that is written again is not there for a moment.
    private async Task<bool> IsStillMissing(string name)
    {
        await Task.Delay(BeforeSecondLook);
        return await machine.Content.DigestOf(name) is "";
    }

    private async Task<ILookup<string, string>> ReadRecorded()
    {
        IReadOnlyList<string> rows = [];
        if (machine.IsPostgresUp)
            try
            {
                rows = await machine.Query(RecordedUsers);
            }
            catch (NpgsqlException)
            {
                // It has just started: nothing is known to be recorded.
            }
        return rows.ToLookup(row => row.Split(' ')[1], row => row.Split(' ')[0]);
    }
}
