using System.Diagnostics;
using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Kuik.Contracts;
using Kuik.EventLog;
using Kuik.ImageFetcher;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Kuik.Tests.ImageFetcher;

/// <summary>Pull secrets as they come from clusters: each entry is read by itself, and no bytes make the reading throw.</summary>
public sealed class OddPullSecretsTests
{
    private const string Good = """
        "good.example":{"username":"good","password":"p"}
        """;

    private const string NotUnicode = "with text that is not Unicode";

    private static readonly PullSecret Foo = new("shop", "foo");

    // Bytes are written as Latin-1: \u00e9 is the one byte 0xE9, which is no UTF-8.
    public static TheoryData<string, string, string> Samples => new()
    {
        { "Latin-1 in a password", "\"other.example\":{\"username\":\"u\",\"password\":\"p\u00e9ss\"}", NotUnicode },
        { "Latin-1 in a registry's name", "\"b\u00fccher.example\":{\"username\":\"u\",\"password\":\"p\"}", NotUnicode },
        { "Latin-1 in a field's name", "\"other.example\":{\"username\":\"u\",\"r\u00e9sum\u00e9\":\"p\"}", "" },
        { "Latin-1 in an e-mail address", "\"other.example\":{\"username\":\"u\",\"email\":\"\u00e9@example.com\"}", NotUnicode },
        { "half a surrogate pair in a password", """ "other.example":{"username":"u","password":"\ud800"} """, NotUnicode },
        { "half a surrogate pair in a registry's name", """ "\uDFFF.example":{"username":"u","password":"p"} """, NotUnicode },
        { "half a surrogate pair in a field's name", """ "other.example":{"username":"u","\ud800":"p"} """, "" },
        { "an entry that is a list", """ "other.example":["u","p"] """, "that is not a JSON object" },
        { "a password that is a number", """ "other.example":{"username":"u","password":1} """, "that holds password that is not text" },
        { "an auth field without a colon", """ "other.example":{"auth":"aHVudGVyMg=="} """,
            "that holds an auth field that is not base64(username:password)" },
        { "an entry nested deeply", $$""" "other.example":{"username":"u","x":{{new string('[', 5000)}}{{new string(']', 5000)}}} """, "" },
    };

    [Theory]
    [MemberData(nameof(Samples))]
    public async Task The_other_entries_of_a_secret_are_used_whatever_is_wrong_with_one(string what, string entry, string problem)
    {
        Assert.NotEmpty(what);
        var read = await Read(Auths(entry, Good));

        Assert.Contains("good", Opens(read, "good.example/app:1"));
        Assert.Equal(problem == "" ? 0 : 1, read.Problems.Count);
        var told = $"the pull secret shop/foo has an entry (number 1) {problem}";
        Assert.All(read.Problems, found => Assert.StartsWith(told, found, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_surrogate_pair_and_an_escaped_backslash_are_no_lone_surrogates()
    {
        var read = await Read("""{"auths":{"other.example":{"username":"\ud83d\ude00","password":"\\ud800"}}}"""u8.ToArray());

        var credential = Assert.Single(read.Entries).Credential;
        Assert.Equal(("\U0001F600", @"\ud800"), (credential.Username, credential.Password));
        Assert.Empty(read.Problems);
    }

    [Fact]
    public async Task A_byte_order_mark_is_passed_over() =>
        Assert.Equal(["good"], Opens(await Read([0xEF, 0xBB, 0xBF, .. Auths(Good)]), "good.example/app:1"));

    [Fact]
    public async Task Of_two_entries_with_one_key_the_last_is_used_and_two_objects_of_auths_are_one()
    {
        var read = await Read("""
            {"auths":{"a.example":{"username":"old"},"a.example":{"username":"new"}},"auths":{"b.example":{"username":"b"}}}
            """u8.ToArray());

        Assert.Equal(["new", "b"], read.Entries.Select(entry => entry.Credential.Username));
    }

    [Fact]
    public async Task Problems_are_told_up_to_a_few()
    {
        var read = await Read(Auths([.. Enumerable.Range(0, 1000).Select(i => $"\"r{i}.example\":1"), Good]));

        Assert.Equal(6, read.Problems.Count);
        Assert.Equal("the pull secret shop/foo has 995 more entries with problems", read.Problems[^1]);
        Assert.Equal(["good"], Opens(read, "good.example/app:1"));
    }

    [Fact]
    public async Task A_secret_beyond_Kubernetes_limit_is_named_and_not_read() => Assert.Equal(
        ["the pull secret shop/foo is larger than 1048576 bytes"],
        (await Read(Encoding.UTF8.GetBytes($"{{\"auths\":{{{Good}}}}}".PadRight(ParsePullSecret.LongestContent + 1)))).Problems);

    [Fact]
    public async Task A_secret_full_of_patterns_does_not_hold_up_a_pull()
    {
        var pattern = string.Concat(Enumerable.Repeat("*[a-z]", 9));
        var read = await Read(Auths([.. Enumerable.Range(0, 12_000).Select(i => $"\"{i}{pattern}.example\":{{\"username\":\"u\"}}")]));
        var watch = Stopwatch.StartNew();

        Assert.Empty(Opens(read, $"{new string('a', 63)}.example/app:1"));
        Assert.Equal(12_000, read.Entries.Count);
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"matching took {watch.Elapsed}");
    }

    [Property(Arbitrary = [typeof(SecretBytes)], MaxTest = 2000)]
    public void No_bytes_make_the_reading_or_the_matching_throw(byte[] content)
    {
        foreach (var type in (string[])["kubernetes.io/dockerconfigjson", "kubernetes.io/dockercfg"])
        {
            var data = new Dictionary<string, byte[]> { [".dockerconfigjson"] = content, [".dockercfg"] = content };
            var read = ParsePullSecret.Read(Foo, type, data);

            Assert.All(read.Problems, problem => Assert.StartsWith("the pull secret shop/foo ", problem, StringComparison.Ordinal));
            foreach (var credential in MatchPullSecrets.For(ImageReference.Parse("good.example/app:1"), read.Entries))
                Assert.Equal(credential.Username.Length > 0, credential.ToBasic() is not null);
        }
    }

    [Fact]
    public async Task Whatever_happens_to_one_secret_the_secrets_of_other_namespaces_are_used()
    {
        Exception[] failures =
        [
            new InvalidOperationException("hunter2"), new FormatException("hunter2"), new NotSupportedException("hunter2"),
            new KeyNotFoundException("hunter2"), new JsonException("hunter2"),
        ];
        foreach (var failure in failures)
        {
            Task<SecretContent> Get(PullSecret secret, CancellationToken ct) =>
                secret == Foo ? throw failure : Task.FromResult(Content(Auths(Good)));
            var reader = new PullSecretReader(Get, new FakeTimeProvider(), NullLogger<PullSecretReader>.Instance);

            var read = await reader.Read([Foo, new PullSecret("other", "good")], CancellationToken.None);

            Assert.Equal(["good"], Opens(read, "good.example/app:1"));
            Assert.StartsWith("the pull secret shop/foo could not be read: ", Assert.Single(read.Problems), StringComparison.Ordinal);
            Assert.DoesNotContain("hunter2", read.Problems[0], StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("""{"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":"not base64!"}}""")]
    [InlineData("""{"type":"kubernetes.io/dockerconfigjson","data":{".dockerconfigjson":7}}""")]
    [InlineData("""{"type":"kubernetes.io/dockerconfigjson","data":["hunter2"]}""")]
    [InlineData("""{"type":["hunter2"]}""")]
    [InlineData("""{"type":"\ud800"}""")]
    [InlineData("<html>")]
    public void A_Secret_of_an_odd_shape_is_JSON_that_cannot_be_read_and_nothing_else(string secret) =>
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize(secret, SecretJson.Default.SecretContent));

    private static Task<SecretsRead> Read(byte[] content)
    {
        var reader = new PullSecretReader((_, _) => Task.FromResult(Content(content)), new FakeTimeProvider(),
            NullLogger<PullSecretReader>.Instance);
        return reader.Read([Foo], CancellationToken.None);
    }

    private static SecretContent Content(byte[] content) =>
        new("kubernetes.io/dockerconfigjson", new() { [".dockerconfigjson"] = content });

    private static byte[] Auths(params string[] entries) => Encoding.Latin1.GetBytes($"{{\"auths\":{{{string.Join(',', entries)}}}}}");

    private static IEnumerable<string> Opens(SecretsRead read, string image) =>
        MatchPullSecrets.For(ImageReference.Parse(image), read.Entries).Select(credential => credential.Username);

    /// <summary>Docker configurations put together from pieces that are likely to break, then with a few bytes changed.</summary>
    public static class SecretBytes
    {
        private static readonly string[] Pieces =
        [
            "{", "}", "[", "]", ",", ":", "\"", "null", "1e999", " ", "//", "\"auths\":{", "\"auth\":", "\"username\":",
            "\"password\":\"p\"",
            "\"registrytoken\":\"a b\"", "\"good.example\":{", "\u00ef\u00bb\u00bf", "\u00ff",
            "\"\\ud800\"", "\"\\udc00\\ud800\"", "\"\\u00\"", "\"\u00e9\"", "\"\\u0000\"", "\"*[z-a].[^\"", "\"https://@/v1/\"",
            "\"bG9naW46cGFzcw==\"",
        ];

        public static Arbitrary<byte[]> Bytes() => Gen.OneOf(
            ArbMap.Default.GeneratorFor<byte[]>(),
            Gen.Elements(Pieces).ListOf().Select(pieces => Encoding.Latin1.GetBytes(string.Concat(pieces))),
            from at in Gen.Choose(0, 10_000)
            from value in Gen.Choose(0, 255)
            from whole in Gen.Elements(Whole.ToArray())
            select Changed(whole, at, (byte)value)).ToArbitrary();

        private static IEnumerable<byte[]> Whole => Samples.Select(sample => Auths(sample.Data.Item2, Good));

        private static byte[] Changed(byte[] whole, int at, byte value)
        {
            byte[] changed = [.. whole];
            changed[at % changed.Length] = value;
            return changed;
        }
    }
}
