namespace Kuik.Testing;

/// <summary>Waits for effects of other processes: polls a condition, up to a deadline that only a failure reaches.</summary>
public static class Eventually
{
    /// <summary>Polls until the condition holds.</summary>
    /// <param name="condition">Checked every 50 ms.</param>
    /// <param name="what">The sentence that was not true in time, for the failure.</param>
    /// <param name="within">Default 60 seconds.</param>
    /// <exception cref="TimeoutException">It did not hold in time.</exception>
    public static async Task True(Func<Task<bool>> condition, string what, TimeSpan? within = null) =>
        await Value(async () => await condition() ? true : (bool?)null, what, within);

    /// <inheritdoc cref="True(Func{Task{bool}}, string, TimeSpan?)"/>
    public static Task True(Func<bool> condition, string what, TimeSpan? within = null) =>
        True(() => Task.FromResult(condition()), what, within);

    /// <summary>Polls until there is a value.</summary>
    /// <param name="ask">Null for not yet.</param>
    /// <param name="what">The sentence that was not true in time, for the failure.</param>
    /// <param name="within">Default 60 seconds.</param>
    /// <exception cref="TimeoutException">There was none in time.</exception>
    public static async Task<T> Value<T>(Func<Task<T?>> ask, string what, TimeSpan? within = null) where T : struct
    {
        var deadline = DateTimeOffset.UtcNow + (within ?? TimeSpan.FromSeconds(60));
        while (true)
        {
            if (await ask() is { } value)
                return value;
            if (DateTimeOffset.UtcNow > deadline)
                throw new TimeoutException($"not in time: {what}");
            await Task.Delay(50);
        }
    }
}
