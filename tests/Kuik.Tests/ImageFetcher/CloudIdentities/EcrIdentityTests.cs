using System.Text;
using Kuik.ImageFetcher;
using Kuik.Oci;
using Kuik.Testing;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

public sealed class EcrIdentityTests : IAsyncLifetime
{
    private const string Registry = "123456789012.dkr.ecr.eu-west-1.amazonaws.com";
    private const string Api = "POST https://api.ecr.eu-west-1.amazonaws.com/";
    private const string Metadata = "http://169.254.169.254/latest/";

    private readonly FakeTimeProvider time = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));
    private readonly Dictionary<string, string?> environment = [];
    private readonly string token = Path.Combine(Sandbox.Shared.NewFolder("token"), "token");
    private ScriptedCloud cloud = null!;

    public async ValueTask InitializeAsync()
    {
        cloud = await ScriptedCloud.Start();
        cloud.Answers(Api, Authorization("hunter2"));
        await File.WriteAllTextAsync(token, "hunter2-projected\n");
    }

    public ValueTask DisposeAsync() => cloud.DisposeAsync();

    [Fact]
    public async Task Keys_in_the_environment_sign_the_request_for_a_user_and_a_password()
    {
        (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], environment["AWS_SESSION_TOKEN"]) =
            ("AKIDEXAMPLE", "hunter2-secret", "hunter2-session");

        var got = await Ask();

        Assert.Equal(new CloudToken(new RegistryCredential("AWS", "hunter2"), DateTimeOffset.FromUnixTimeMilliseconds(1767366245_500)),
            got);
        var request = Assert.Single(cloud.Requests);
        Assert.Equal(("{}", "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"), (request.Body, request.Headers["x-amz-target"]));
        Assert.Equal(("application/x-amz-json-1.1", "hunter2-session"),
            (request.Headers["content-type"], request.Headers["x-amz-security-token"]));
        Assert.StartsWith(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/eu-west-1/ecr/aws4_request, "
                + "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amz-target, Signature=",
            request.Headers["authorization"], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(null, "eu-west-1")]
    [InlineData("us-east-2", "us-east-2")]
    public async Task A_web_identity_is_exchanged_for_keys_at_the_regions_own_token_service(string? region, string asked)
    {
        (environment["AWS_ROLE_ARN"], environment["AWS_WEB_IDENTITY_TOKEN_FILE"], environment["AWS_REGION"]) =
            ("arn:aws:iam::123456789012:role/kuik", token, region);
        cloud.Answers($"POST https://sts.{asked}.amazonaws.com/", """
            <AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult>
              <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/kuik/kuik</Arn></AssumedRoleUser>
              <Credentials><AccessKeyId>ASIAWEB</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>2026-01-02T04:04:05Z</Expiration></Credentials>
            </AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>
            """);

        await Ask();

        var (exchange, request) = (cloud.Requests[0], cloud.Requests[1]);
        Assert.Equal(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fkuik&RoleSessionName=kuik&WebIdentityToken=hunter2-projected", exchange.Body);
        Assert.False(exchange.Headers.ContainsKey("authorization"));
        Assert.Equal(("ASIAWEB", "t"), (KeyOf(request), request.Headers["x-amz-security-token"]));
    }

    [Fact]
    public async Task A_token_that_Kubernetes_has_renewed_is_read_again()
    {
        (environment["AWS_ROLE_ARN"], environment["AWS_WEB_IDENTITY_TOKEN_FILE"]) = ("arn:aws:iam::123456789012:role/kuik", token);
        await Assert.ThrowsAsync<CloudIdentityException>(Ask);

        await File.WriteAllTextAsync(token, "renewed");
        await Assert.ThrowsAsync<CloudIdentityException>(Ask);

        Assert.EndsWith("&WebIdentityToken=renewed", cloud.Requests[1].Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_containers_keys_come_from_the_agent_on_its_node_without_a_proxy()
    {
        (environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"], environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]) =
            ("http://169.254.170.23/v1/credentials", token);
        cloud.Answers("GET http://169.254.170.23/v1/credentials", Keys("ASIAPOD"));

        await Ask();

        Assert.Equal((true, "hunter2-projected"), (cloud.Requests[0].IsDirect, cloud.Requests[0].Headers["authorization"]));
        Assert.Equal((false, "ASIAPOD"), (cloud.Requests[1].IsDirect, KeyOf(cloud.Requests[1])));
    }

    [Fact]
    public async Task A_containers_token_is_not_sent_to_another_host_in_the_clear()
    {
        (environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"], environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]) =
            ("http://192.0.2.1/v1/credentials", token);

        var refusal = await Assert.ThrowsAsync<CloudIdentityException>(Ask);

        Assert.Equal("AWS_CONTAINER_CREDENTIALS_FULL_URI is neither https nor an agent on this node", refusal.Message);
        Assert.Empty(cloud.Requests);
    }

    [Theory]
    [InlineData(null, Metadata)]
    [InlineData("http://[fd00:ec2::254]/", "http://[fd00:ec2::254]/latest/")]
    public async Task A_nodes_keys_come_from_its_metadata_with_a_session_and_without_a_proxy(string? endpoint, string metadata)
    {
        environment["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = endpoint;
        cloud.Answers($"PUT {metadata}api/token", "hunter2-imds")
            .Answers($"GET {metadata}meta-data/iam/security-credentials/", "node-role\n")
            .Answers($"GET {metadata}meta-data/iam/security-credentials/node-role", Keys("ASIANODE"));

        await Ask();

        Assert.Equal([true, true, true, false], cloud.Requests.Select(request => request.IsDirect));
        Assert.All(cloud.Requests.Skip(1).Take(2), request => Assert.Equal("hunter2-imds", request.Headers["x-aws-ec2-metadata-token"]));
        Assert.Equal("ASIANODE", KeyOf(cloud.Requests[3]));
    }

    [Fact]
    public async Task What_is_set_first_in_AWSs_order_is_used_alone()
    {
        (environment["AWS_CONTAINER_CREDENTIALS_FULL_URI"], environment["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"]) =
            ("http://169.254.170.23/v1/credentials", token);
        await Assert.ThrowsAsync<CloudIdentityException>(Ask);
        (environment["AWS_ROLE_ARN"], environment["AWS_WEB_IDENTITY_TOKEN_FILE"]) = ("arn:aws:iam::123456789012:role/kuik", token);
        await Assert.ThrowsAsync<CloudIdentityException>(Ask);
        (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]) = ("AKIDEXAMPLE", "s");
        await Ask();

        Assert.Equal(["GET http://169.254.170.23/v1/credentials", "POST https://sts.eu-west-1.amazonaws.com/", Api],
            cloud.Requests.Select(request => request.Asked));
    }

    [Theory]
    [InlineData("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", "https://ecr-fips.us-east-1.amazonaws.com/")]
    [InlineData("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "https://api.ecr.cn-north-1.amazonaws.com.cn/")]
    [InlineData("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "https://api.ecr.eusc-de-east-1.amazonaws.eu/")]
    [InlineData("123456789012.dkr-ecr.us-east-1.on.aws", "https://ecr.us-east-1.api.aws/")]
    [InlineData("123456789012.dkr-ecr-fips.us-east-1.on.aws", "https://ecr-fips.us-east-1.api.aws/")]
    [InlineData("123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "https://ecr.cn-north-1.api.amazonwebservices.com.cn/")]
    public async Task Each_kind_of_registry_has_its_API(string host, string api)
    {
        (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]) = ("AKIDEXAMPLE", "s");
        cloud.Answers($"POST {api}", Authorization("there"));

        Assert.Equal("there", (await Ask(host)).Credential.Password);
    }

    [Theory]
    [InlineData("public.ecr.aws")]
    [InlineData("docker.io")]
    [InlineData("12345678901.dkr.ecr.eu-west-1.amazonaws.com")]
    [InlineData("123456789012.dkr.ecr.eu-west-1.amazonaws.com:443")]
    [InlineData("123456789012.dkr.ecr.eu-west-1.amazonaws.com.example.com")]
    [InlineData("123456789012.dkr.ecr.example.com.eu-west-1.amazonaws.com")]
    public void Any_other_registry_is_none_of_its(string host) => Assert.Null(Identity().For(host));

    [Theory]
    [InlineData("""{"__type":"AccessDeniedException","message":"User: arn:aws:sts::1:assumed-role/kuik is not authorized"}""",
        ": 400 AccessDeniedException")]
    [InlineData("""{"__type":"com.amazon.coral.service#SignatureDoesNotMatch","message":"should have been 'x-amz-security-token:hunter2-session'"}""", ": 400 com.amazon.coral.service#SignatureDoesNotMatch")]
    [InlineData("hunter2-session", ": 400")]
    public async Task A_refusal_is_told_by_its_code_and_without_what_was_sent(string body, string told)
    {
        (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], environment["AWS_SESSION_TOKEN"]) =
            ("AKIDEXAMPLE", "hunter2-secret", "hunter2-session");
        cloud.Answers(Api, body, status: 400);

        var refusal = await Assert.ThrowsAsync<CloudIdentityException>(Ask);

        Assert.Equal(Api + told, refusal.Message);
        Assert.DoesNotContain("hunter2", refusal.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "authorizationData")]
    [InlineData("""{"authorizationData":[]}""", "authorizationData")]
    [InlineData("""{"authorizationData":[{"authorizationToken":"aHVudGVyMg==","expiresAt":1}]}""", "authorizationToken")]
    [InlineData("""{"authorizationData":[{"authorizationToken":"hunter2!","expiresAt":1}]}""", "authorizationToken")]
    [InlineData("""{"authorizationData":[{"authorizationToken":"QVdTOmh1bnRlcjI="}]}""", "expiresAt")]
    public async Task An_answer_that_lacks_something_is_told_by_what_it_lacks(string body, string missing)
    {
        (environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]) = ("AKIDEXAMPLE", "s");
        cloud.Answers(Api, body);

        var refusal = await Assert.ThrowsAsync<CloudIdentityException>(Ask);

        Assert.Equal($"{Api}: the answer holds no usable {missing}", refusal.Message);
    }

    [Fact]
    public async Task A_refusal_of_the_token_service_is_told_by_its_code()
    {
        (environment["AWS_ROLE_ARN"], environment["AWS_WEB_IDENTITY_TOKEN_FILE"]) = ("arn:aws:iam::123456789012:role/kuik", token);
        cloud.Answers("POST https://sts.eu-west-1.amazonaws.com/",
            "<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>hunter2-projected</Message></Error></ErrorResponse>", 400);

        var refusal = await Assert.ThrowsAsync<CloudIdentityException>(Ask);

        Assert.Equal("POST https://sts.eu-west-1.amazonaws.com/: 400 InvalidIdentityToken", refusal.Message);
    }

    [Fact]
    public async Task A_workload_without_any_identity_is_told_so()
    {
        environment["AWS_EC2_METADATA_DISABLED"] = "true";

        var refusal = await Assert.ThrowsAsync<CloudIdentityException>(Ask);

        Assert.StartsWith("this workload has no identity in AWS", refusal.Message, StringComparison.Ordinal);
        Assert.Empty(cloud.Requests);
    }

    private EcrIdentity Identity() => new(new ConfigurationBuilder().AddInMemoryCollection(environment).Build(), cloud.Connections, time);

    private Task<CloudToken> Ask() => Ask(Registry);

    private Task<CloudToken> Ask(string host) => Identity().For(host)!(TestContext.Current.CancellationToken);

    private static string Authorization(string password) =>
        $$"""{"authorizationData":[{"authorizationToken":"{{Convert.ToBase64String(Encoding.UTF8.GetBytes("AWS:" + password))}}","expiresAt":1767366245.5,"proxyEndpoint":"https://{{Registry}}"}]}""";

    private static string Keys(string id) =>
        $$"""{"Code":"Success","AccessKeyId":"{{id}}","SecretAccessKey":"s","Token":"t","Expiration":"2026-01-02T04:04:05Z"}""";

    private static string KeyOf(CloudRequest request) =>
        request.Headers["authorization"]["AWS4-HMAC-SHA256 Credential=".Length..].Split('/')[0];
}
