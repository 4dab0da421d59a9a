using Kuik.Contracts;
using Kuik.EventLog;
using Xunit;

namespace Kuik.Tests.EventLog;

public class EventTypesTests
{
    [Fact]
    public void Every_event_of_the_contracts_is_in_the_log()
    {
        // An event is a record whose last parameter is the moment it happened at; ExpiresAt of ImageUnused is a moment too.
        var events = typeof(StreamName).Assembly.GetExportedTypes()
            .Where(type => type.GetConstructors().FirstOrDefault(c => c.GetParameters().Length > 1)?.GetParameters()[^1]
            .ParameterType == typeof(DateTimeOffset));

        Assert.Equal(events.Select(type => type.Name).Order(), EventTypes.All.Select(type => type.Name).Order());
    }
}
