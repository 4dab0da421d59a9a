using System.Collections.Concurrent;
using System.Net.Http.Headers;
using System.Text;

namespace Kuik.Testing;

/// <summary>An external RabbitMQ. Only virtual hosts created here are touched; they are deleted at the end.</summary>
internal sealed class NamedRabbitMq : IRabbitMqEngine
{
    private readonly ConcurrentQueue<string> made = [];

    /// <summary>Names one.</summary>
    /// <param name="address">amqp, of an administrator.</param>
    /// <param name="management">http; null for port 15672 of the same host.</param>
    public NamedRabbitMq(Uri address, string? management)
    {
        Address = address;
        var user = address.UserInfo.Split(':');
        Management = new UriBuilder(management is { Length: > 0 } ? management : $"http://{address.Host}:15672")
        { UserName = user[0], Password = user[^1], Path = "/" }.Uri;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => DeleteMade();
    }

    public Uri Address { get; }

    public Uri Management { get; }

    public void Created(string virtualHost) => made.Enqueue(virtualHost);

    /// <summary>Deletes the created virtual hosts; reports failures on standard error.</summary>
    public void DeleteMade()
    {
        using var http = new HttpClient();
        while (made.TryDequeue(out var virtualHost))
        {
            using var delete = new HttpRequestMessage(HttpMethod.Delete,
                new UriBuilder(Management) { UserName = "", Password = "", Path = $"api/vhosts/{virtualHost}" }.Uri);
            delete.Headers.Authorization =
                new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Management.UserInfo)));
            try
            {
                using var answer = http.Send(delete);
                answer.EnsureSuccessStatusCode();
            }
            catch (HttpRequestException e)
            {
                Console.Error.WriteLine(
                    $"the virtual host {virtualHost} is left in the RabbitMQ that KUIK_TEST_RABBITMQ names: {e.Message}");
            }
        }
    }

    public Task Start() =>
        throw new NotSupportedException("a RabbitMQ that KUIK_TEST_RABBITMQ names is not ours to start; take RabbitMq.StartOwn()");

    public Task Stop() =>
        throw new NotSupportedException("a RabbitMQ that KUIK_TEST_RABBITMQ names is not ours to stop; take RabbitMq.StartOwn()");

    public Task StartWithoutData() =>
        throw new NotSupportedException("the data of a RabbitMQ that KUIK_TEST_RABBITMQ names is not ours; take RabbitMq.StartOwn()");

    public Task<string> Log() =>
        throw new NotSupportedException("the log of a RabbitMQ that KUIK_TEST_RABBITMQ names is not here; take RabbitMq.StartOwn()");
}
