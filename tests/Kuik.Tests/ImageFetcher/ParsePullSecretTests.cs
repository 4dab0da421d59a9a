using System.Text;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

/// <summary>The cases of kube-image-keeper v1's keychain tests, and what the kubelet's keyring does beyond them.</summary>
public sealed class ParsePullSecretTests
{
    private const string ConfigJson = "kubernetes.io/dockerconfigjson";
    private const string Cfg = "kubernetes.io/dockercfg";
    private static readonly PullSecret Foo = new("shop", "foo");
    private static readonly RegistryCredential Login = new("login", "password");
    private static readonly RegistryCredential LocalLogin = new("locallogin", "localpassword");

    [Theory]
    [InlineData(ConfigJson)]
    [InlineData(Cfg)]
    [InlineData("kubernetes.io/basic-auth")]
    [InlineData(null)]
    public void A_secret_without_data_opens_nothing(string? type)
    {
        Dictionary<string, byte[]>?[] datas =
            [null, [], new() { [".dockerconfigjson"] = [], [".dockercfg"] = [] },
                new() { [".dockerconfigjson"] = null!, [".dockercfg"] = null! }];

        var read = datas.Select(data => ParsePullSecret.Read(Foo, type, data)).ToList();

        Assert.All(read, secret => Assert.Equal((0, 0), (secret.Entries.Count, secret.Problems.Count)));
    }

    [Fact]
    public void A_secret_of_another_type_opens_nothing()
    {
        var data = new Dictionary<string, byte[]>
        {
            ["username"] = "login"u8.ToArray(),
            [".dockerconfigjson"] = """{"auths":{"docker.io":{"username":"a"}}}"""u8.ToArray()
        };

        Assert.Empty(ParsePullSecret.Read(Foo, "kubernetes.io/basic-auth", data).Entries);
    }

    [Fact]
    public void Each_of_two_secrets_opens_its_own_registry()
    {
        var foo = Read("""{"auths":{"https://index.docker.io/v1/":{"username":"login","password":"password"}}}""");
        var bar = Read("""{"auths":{"localhost:5000":{"username":"locallogin","password":"localpassword"}}}""");

        Assert.Equal([Login], For("alpine", [.. foo, .. bar]));
        Assert.Equal([LocalLogin], For("localhost:5000/alpine", [.. foo, .. bar]));
    }

    [Fact]
    public void Both_registries_in_one_secret_are_told_apart()
    {
        var both = Read("""{"auths":{"index.docker.io":{"username":"login","password":"password"},"localhost:5000":{"username":"locallogin","password":"localpassword"}}}""");

        Assert.Equal([Login], For("alpine", both));
        Assert.Equal([LocalLogin], For("localhost:5000/alpine", both));
    }

    [Fact]
    public void The_old_dockercfg_has_its_registries_at_the_top()
    {
        var entries = Read("""{"https://index.docker.io/v1/":{"username":"login","password":"password","email":"a@example.com"}}""", Cfg);

        Assert.Equal([Login], For("alpine", entries));
    }

    [Theory]
    [InlineData("docker.io")]
    [InlineData("https://docker.io")]
    [InlineData("index.docker.io")]
    [InlineData("index.docker.io/v1/")]
    [InlineData("https://index.docker.io/v1/")]
    [InlineData("https://index.docker.io/v2/")]
    [InlineData("http://index.docker.io/")]
    [InlineData("https://registry-1.docker.io/v2/")]
    [InlineData("registry.hub.docker.com")]
    public void Docker_Hub_is_known_by_all_its_keys(string key)
    {
        var entries = Read($$$$"""{"auths":{"{{{{key}}}}":{"username":"login","password":"password"}}}""");

        Assert.Equal([Login], For("alpine", entries));
        Assert.Equal([Login], For("docker.io/team/app:1", entries));
        Assert.Empty(For("registry.example.com/team/app", entries));
    }

    [Fact]
    public void An_entry_for_docker_io_itself_leaves_the_default_entry_aside()
    {
        var entries = Read("""{"auths":{"https://index.docker.io/v1/":{"username":"default"},"docker.io/team":{"username":"team"}}}""");

        Assert.Equal(["team"], For("docker.io/team/app", entries).Select(c => c.Username));
        Assert.Equal(["default"], For("nginx", entries).Select(c => c.Username));
    }

    [Theory]
    [InlineData("bG9naW46cGFzcw==", "login", "pass")]
    [InlineData("bG9naW46cGFzcw", "login", "pass")]
    [InlineData("bG9naW46\\ncGFzcw==\\n", "login", "pass")]
    [InlineData("bG9naW46cGE6c3M=", "login", "pa:ss")]
    [InlineData("bG9naW46", "login", "")]
    public void The_auth_field_overrides_username_and_password(string auth, string username, string password)
    {
        var entries = Read($$$$"""{"auths":{"r.example.com":{"username":"u","password":"p","auth":"{{{{auth}}}}"}}}""");

        Assert.Equal([new RegistryCredential(username, password)], For("r.example.com/app", entries));
    }

    [Fact]
    public void Identity_and_registry_tokens_are_read()
    {
        var entries = Read("""{"auths":{"r.example.com":{"auth":"MDAwMDo=","identitytoken":"refresh"},"s.example.com":{"registrytoken":"bearer"}}}""");

        Assert.Equal([new RegistryCredential("0000", "", IdentityToken: "refresh")], For("r.example.com/app", entries));
        Assert.Equal([new RegistryCredential("", "", RegistryToken: "bearer")], For("s.example.com/app", entries));
    }

    [Fact]
    public void An_auth_field_in_Latin_1_keeps_its_bytes_as_up_to_the_kubelet_of_1_34()
    {
        var credential = Read("""{"auths":{"r.example.com":{"auth":"dTpw6XNz"}}}""").Single().Credential;   // u:p\xe9ss

        Assert.Equal("dTpw6XNz", credential.ToBasic()?.Parameter);
    }

    [Fact]
    public void NULs_that_pad_a_password_in_an_auth_field_are_not_part_of_it() =>
        Assert.Equal([new RegistryCredential("login", "pa\0ss")],
            For("r.example.com/app", Read("""{"auths":{"r.example.com":{"auth":"bG9naW46cGEAc3MAAAA="}}}""")));

    [Fact]
    public void Fields_are_found_in_any_case_and_the_last_of_two_wins() =>
        Assert.Equal([Login],
            For("r.example.com/app",
                Read("""{"Auths":{"r.example.com":{"username":"old","Username":"login","Password":"password","password":null}}}""")));

    [Fact]
    public void A_credential_helpers_empty_entry_opens_nothing() =>
        Assert.Empty(Read("""{"auths":{"r.example.com":{},"s.example.com":null},"credsStore":"desktop"}"""));

    [Theory]
    [InlineData("r.example.com", "r.example.com/team/app", true)]
    [InlineData("r.example.com", "r.example.com:5000/team/app", false)]
    [InlineData("r.example.com", "r.example.com:443/team/app", false)]
    [InlineData("r.example.com:443", "r.example.com/team/app", false)]
    [InlineData("r.example.com:443", "r.example.com:443/team/app", true)]
    [InlineData("r.example.com:5000", "r.example.com:5000/team/app", true)]
    [InlineData("r.example.com:5000", "r.example.com/team/app", false)]
    [InlineData("*.example.com", "r.example.com/team/app", true)]
    [InlineData("*.example.com", "example.com/team/app", false)]
    [InlineData("*.example.com", "a.b.example.com/team/app", false)]
    [InlineData("*.*.example.com", "a.b.example.com/team/app", true)]
    [InlineData("*", "r.example.com/team/app", false)]
    [InlineData("r?.example.com", "r1.example.com/team/app", true)]
    [InlineData("r[0-2].example.com", "r1.example.com/team/app", true)]
    [InlineData("r[0-2].example.com", "r3.example.com/team/app", false)]
    [InlineData("r[^0-2].example.com", "r3.example.com/team/app", true)]
    [InlineData("r[2-0].example.com", "r1.example.com/team/app", false)]
    [InlineData("prefix*.example.com", "prefix-eu.example.com/team/app", true)]
    [InlineData("*.example.com:5000", "r.example.com:5000/team/app", true)]
    [InlineData("*.example.com/team", "r.example.com/team/app", true)]
    [InlineData("r.example.com/team", "r.example.com/team/app", true)]
    [InlineData("r.example.com/team", "r.example.com/team", true)]
    [InlineData("r.example.com/te", "r.example.com/team/app", true)]
    [InlineData("r.example.com/team/", "r.example.com/team/app", true)]
    [InlineData("r.example.com/other", "r.example.com/team/app", false)]
    [InlineData("r.example.com/v1", "r.example.com/team/app", false)]
    [InlineData("https://r.example.com/v1/", "r.example.com/team/app", true)]
    [InlineData("https://r.example.com/v2/team", "r.example.com/team/app", true)]
    [InlineData("R.EXAMPLE.COM", "r.example.com/team/app", false)]
    [InlineData("HTTPS://r.example.com", "r.example.com/team/app", false)]
    [InlineData("https://user:password@r.example.com/team", "r.example.com/team/app", true)]
    [InlineData("r[0-2].ex[a-", "r1.example.com/team/app", false)]
    [InlineData("r[0-.example.com", "r1.example.com/team/app", false)]
    [InlineData(@"r\\1*.example.com", "r1.example.com/team/app", true)]
    [InlineData("***1***.*.*", "r1.example.com/team/app", true)]
    [InlineData("*a*.*.*", "r1.example.com/team/app", false)]
    public void An_entry_opens_what_its_key_covers(string key, string image, bool opens)
    {
        var entries = Read($$$$"""{"auths":{"{{{{key}}}}":{"username":"login","password":"password"}}}""");

        Assert.Equal(opens ? [Login] : [], For(image, entries));
    }

    [Fact]
    public void The_most_specific_entry_is_tried_first_and_equals_in_the_order_of_the_secrets()
    {
        var first = Read("""{"auths":{"r.example.com":{"username":"host"},"r.example.com/team/app":{"username":"app"},"r.example.com/team":{"username":"team"},"*.example.com":{"username":"glob"}}}""");
        var second = Read("""{"auths":{"r.example.com":{"username":"host 2"},"https://r.example.com/team":{"username":"team"}}}""");

        Assert.Equal(["app", "team", "host", "host 2", "glob"],
            For("r.example.com/team/app", [.. first, .. second]).Select(c => c.Username));
    }

    [Theory]
    [InlineData(ConfigJson, "{\"auths\": hunter2}", "holds no valid JSON under .dockerconfigjson (line 1, byte 11)")]
    [InlineData(ConfigJson, "\"hunter2\"", "holds no JSON object under .dockerconfigjson")]
    [InlineData(Cfg, "[\"hunter2\"]", "holds no JSON object under .dockercfg")]
    [InlineData(ConfigJson, """{"auths":["hunter2"]}""", "holds \"auths\" that are not a JSON object")]
    [InlineData(ConfigJson, """{"auths":{"a.example.com":{},"b.example.com":"hunter2"}}""",
        "has an entry (number 2) that is not a JSON object")]
    [InlineData(ConfigJson, """{"auths":{"hunter2":{"auth":"00000000"}}}""",
        "has an entry (number 1) that holds an auth field that is not base64(username:password)")]
    [InlineData(ConfigJson, """{"auths":{"hunter2":{"auth":"hunter2 is no base64!"}}}""",
        "has an entry (number 1) that holds an auth field that is not base64(username:password)")]
    [InlineData(ConfigJson, """{"auths":{"hunter2":{"password":{"x":"hunter2"}}}}""",
        "has an entry (number 1) that holds password that is not text")]
    [InlineData(ConfigJson, """{"auths":{"hunter2":{"registrytoken":"hunter2\r\nX-Other: 1"}}}""",
        "has an entry (number 1) that holds a registrytoken that no HTTP header can carry")]
    [InlineData(ConfigJson, """{"auths":{"hunter2 ":{"password":"p"}}}""",
        "has an entry (number 1) that has white space in the registry's name")]
    [InlineData(ConfigJson, """{"auths":{"r.example.com":{"password":"hunter2\ud800"}}}""",
        "has an entry (number 1) with text that is not Unicode: it is used with U+FFFD in its place, as the kubelet does")]
    public void What_is_wrong_with_a_secret_is_said_without_its_content(string type, string content, string problem)
    {
        var read = ReadAll(Encoding.UTF8.GetBytes(content), type);

        Assert.Equal([$"the pull secret shop/foo {problem}"], read.Problems);
        Assert.DoesNotContain("hunter2", read.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Credentials_do_not_show_in_text() =>
        Assert.DoesNotContain("hunter2",
            Read("""{"auths":{"r.example.com":{"username":"hunter2","password":"hunter2","identitytoken":"hunter2","registrytoken":"hunter2"}}}""").Single().ToString(), StringComparison.Ordinal);

    private static IReadOnlyList<PullSecretEntry> Read(string content, string type = ConfigJson) =>
        ReadAll(Encoding.UTF8.GetBytes(content), type).Entries;

    private static SecretsRead ReadAll(byte[] content, string type = ConfigJson) =>
        ParsePullSecret.Read(Foo, type, new Dictionary<string, byte[]> { [type == Cfg ? ".dockercfg" : ".dockerconfigjson"] = content });

    private static IReadOnlyList<RegistryCredential> For(string image, IReadOnlyList<PullSecretEntry> entries) =>
        MatchPullSecrets.For(ImageReference.Parse(image), entries);
}
