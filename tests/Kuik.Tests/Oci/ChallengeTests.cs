using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.Oci;

public class ChallengeTests
{
    [Fact]
    public void A_bearer_challenge_gives_realm_service_and_scope()
    {
        var challenge = Assert.Single(
            Challenge.Parse("""Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull,push" """));

        Assert.Equal("bearer", challenge.Scheme);
        Assert.Equal("https://auth.docker.io/token", challenge["realm"]);
        Assert.Equal("registry.docker.io", challenge["service"]);
        Assert.Equal("repository:library/nginx:pull,push", challenge["scope"]);
    }

    [Theory]
    [InlineData("Basic")]
    [InlineData("basic realm=x")]
    [InlineData("BASIC realm = \"a b\"")]
    [InlineData(" , Basic realm=\"\\\"quoted\\\"\" , ")]
    public void A_basic_challenge_is_read_however_it_is_written(string header) =>
        Assert.Equal("basic", Assert.Single(Challenge.Parse(header)).Scheme);

    [Fact]
    public void Several_challenges_in_one_header_are_told_apart()
    {
        var challenges = Challenge.Parse(
            """Negotiate, Basic realm="one, two", charset=UTF-8, Bearer realm=https://auth.example/token?a=b,service=x""");

        Assert.Equal(["negotiate", "basic", "bearer"], challenges.Select(c => c.Scheme));
        Assert.Equal("one, two", challenges[1]["realm"]);
        Assert.Equal("x", challenges[2]["service"]);
    }

    [Fact]
    public void An_unquoted_realm_is_read_as_some_servers_write_it() =>
        Assert.Equal("https://auth.example/token", Assert.Single(Challenge.Parse("Bearer realm=https://auth.example/token"))["realm"]);

    [Fact]
    public void An_escaped_quote_belongs_to_the_value() =>
        Assert.Equal("a\"b\\c", Assert.Single(Challenge.Parse("""Basic realm="a\"b\\c" """))["realm"]);

    [Fact]
    public void The_first_of_two_equal_parameters_counts() =>
        Assert.Equal("1", Assert.Single(Challenge.Parse("Bearer realm=1, Realm=2"))["realm"]);

    [Theory]
    [InlineData("")]
    [InlineData("=")]
    [InlineData("\"")]
    [InlineData(",,, ,")]
    public void What_is_no_challenge_gives_none(string header) => Assert.Empty(Challenge.Parse(header));

    [Fact]
    public void A_broken_end_does_not_hide_what_came_before_it()
    {
        var challenges = Challenge.Parse("""Basic realm="x", Bearer realm="https://never-closed""");

        Assert.Equal(["basic", "bearer"], challenges.Select(c => c.Scheme));
        Assert.Null(challenges[1]["realm"]);
    }
}
