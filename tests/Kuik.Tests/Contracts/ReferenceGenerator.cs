using FsCheck;
using FsCheck.Fluent;
using Kuik.Contracts;

namespace Kuik.Tests.Contracts;

/// <summary>References as people write them: every form of the grammar, its edges more often than chance would have them.</summary>
public static class ReferenceGenerator
{
    private const string Alphanumeric = "abcxyz0189";

    /// <summary>Any reference that parses.</summary>
    public static Arbitrary<ImageReference> Images() =>
        Written().Select(text => ImageReference.TryParse(text, out var image, out _) ? image : null).Where(image => image is not null)
            .Select(image => image!).ToArbitrary();

    /// <summary>Texts that look like references; most of them are.</summary>
    public static Gen<string> Written() =>
        from host in Host()
        from repository in Repository()
        from target in Target()
        select host + repository + target;

    /// <summary>The same with one character too many or another one in its place: most of them are none any more.</summary>
    public static Gen<string> Mistyped() =>
        from text in Written()
        from at in Gen.Choose(0, text.Length)
        from length in Gen.Choose(0, at < text.Length ? 1 : 0)
        from typed in Gen.Elements(":/@._-AZaf09[] \n".ToCharArray())
        select text.Remove(at, length).Insert(at, typed.ToString());

    private static Gen<string> Host() => Gen.OneOf(
        Gen.Elements("", "", "", "docker.io/", "index.docker.io/", "registry-1.docker.io/", "registry.hub.docker.com/", "library/"),
        Gen.Elements("localhost/", "localhost:5000/", "localhost:7439/", "127.0.0.1:5000/", "[::1]:5000/", "my_5000/", "localhost_5000/",
            "docker.io_443/"),
        Gen.Elements("reg.io/", "REG.IO/", "Reg.io:5000/", "registry:5000/", "REGISTRY/", "registry/", "harbor.corp-1/", "reg.io:0/",
            "reg.io:65535/", "reg.io_1/"),
        from parts in Part("-").NonEmptyListOf().Resize(3)
        from port in Gen.OneOf(Gen.Constant(""), Gen.Choose(0, 99999).Select(n => ":" + n), Gen.Choose(0, 99999).Select(n => "_" + n))
        select string.Join('.', parts) + port + "/");

    private static Gen<string> Repository() => Gen.Frequency(
        (6, from parts in Part(".", "_", "__", "-", "---").NonEmptyListOf().Resize(4) select string.Join('/', parts)),
        (1, Gen.Choose(215, 256).Select(length => new string('a', length))),
        (1, Gen.Elements("nginx", "library/nginx", "library/library/nginx", "Nginx", "a..b", "docker.io", new string('e', 64),
            "manifests/blobs")));

    private static Gen<string> Target()
    {
        var sha256 = Hex(64).Select(hex => "@sha256:" + hex);
        var tag = Gen.OneOf(Gen.Elements(":latest", ":1", ":V1.2_3-", ":_", ":kuik-pin-sha256-0", ":" + new string('T', 128)),
            Part(".", "_", "-").Select(text => ":" + text));
        return Gen.OneOf(Gen.Constant(""), tag, sha256, Hex(128).Select(hex => "@sha512:" + hex),
            tag.SelectMany(t => sha256.Select(d => t + d)));
    }

    private static Gen<string> Part(params string[] separators) =>
        from words in Word().NonEmptyListOf().Resize(3)
        from separator in Gen.Elements(separators)
        select string.Join(separator, words);

    private static Gen<string> Word() => Gen.Elements(Alphanumeric.ToCharArray()).NonEmptyListOf().Resize(4).Select(string.Concat);

    private static Gen<string> Hex(int length) => Gen.Elements("0123456789abcdef".ToCharArray()).ListOf(length).Select(string.Concat);
}
