using Kuik.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Kuik.Tests.Hosting;

public sealed class ServiceRunTests
{
    [Fact]
    public async Task A_service_that_is_told_to_stop_while_it_starts_ends_without_a_fault()
    {
        var app = Build(lifetime => lifetime.StopApplication());

        await app.RunUntilStoppedAsync().WaitAsync(TimeSpan.FromMinutes(1), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_fault_of_its_start_is_not_hidden()
    {
        var app = Build(_ => throw new InvalidOperationException("no certificate"));

        await Assert.ThrowsAsync<InvalidOperationException>(app.RunUntilStoppedAsync);
    }

    private static WebApplication Build(Action<IHostApplicationLifetime> start)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders();
        builder.Services.AddHostedService(services => new Starting(start, services.GetRequiredService<IHostApplicationLifetime>()));
        return builder.Build();
    }

    private sealed class Starting(Action<IHostApplicationLifetime> start, IHostApplicationLifetime lifetime) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
        {
            start(lifetime);
            cancellationToken.ThrowIfCancellationRequested();
            return Task.CompletedTask;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
