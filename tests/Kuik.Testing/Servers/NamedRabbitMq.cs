using System.Net.Http.Headers;
using System.Text;

namespace Kuik.Testing;

/// <summary>A RabbitMQ that somebody else runs. Only virtual hosts made here are touched; they are deleted at the end.</summary>
internal sealed class NamedRabbitMq(Uri address) : IRabbitMqEngine
{
    public Uri Address { get; } = address;

    public Uri Management { get; } = new UriBuilder(address) { Scheme = "http", Port = 15672, Path = "/" }.Uri;

    public void Created(string virtualHost) => AppDomain.CurrentDomain.ProcessExit += (_, _) =>
    {
        using var http = new HttpClient();
        using var delete = new HttpRequestMessage(HttpMethod.Delete, new UriBuilder(Management) { UserName = "", Password = "", Path = $"api/vhosts/{virtualHost}" }.Uri);
        delete.Headers.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes(Management.UserInfo)));
        http.Send(delete).Dispose();
    };

    public Task Start() => throw new NotSupportedException("a RabbitMQ that KUIK_TEST_RABBITMQ names is not ours to start; take RabbitMq.StartOwn()");

    public Task Stop() => throw new NotSupportedException("a RabbitMQ that KUIK_TEST_RABBITMQ names is not ours to stop; take RabbitMq.StartOwn()");

    public Task StartWithoutData() => throw new NotSupportedException("the data of a RabbitMQ that KUIK_TEST_RABBITMQ names is not ours; take RabbitMq.StartOwn()");
}
