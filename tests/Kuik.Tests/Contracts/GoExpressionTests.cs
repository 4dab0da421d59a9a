using Kuik.Contracts;
using Xunit;

namespace Kuik.Tests.Contracts;

/// <summary>Regular expressions of Go mean the same here, or are refused. The answers are those of Go's package regexp.</summary>
public sealed class GoExpressionTests
{
    [Theory]
    [InlineData("", "nginx", true)]
    [InlineData(@"185.145.250.247\:30042", "185.145.250.247:30042/alpine", true)]
    [InlineData(@"^(?P<host>quay|ghcr)\.io/", "ghcr.io/mesh/proxy", true)]
    [InlineData(@"\(?P<x", "P<x", true)]                  // no group: an optional bracket
    [InlineData("[(?P<]", "P", true)]                     // nor here
    [InlineData("nginx[:@]", "nginx:1", true)]            // no named class: a colon or an at sign
    [InlineData("[:/]", "reg.io/a", true)]
    [InlineData("[]a]", "a", true)]
    [InlineData("[^]a]", "a", false)]
    [InlineData(@"[^\]a-z\-]", "a-z", false)]
    [InlineData(@"[\d-z]", "-", true)]
    [InlineData("[a[b]", "[", true)]
    [InlineData("a{,3}", "aa", false)]                    // no repetition
    [InlineData("a{2,}", "aa", true)]
    [InlineData("^(a{10}){10}$", "aa", false)]
    [InlineData("(?i)NGINX", "nginx", true)]
    [InlineData("(?i:N)GINX", "nginx", false)]
    [InlineData("a(?i)B|C", "xc", true)]                  // up to the end of the group, alternatives included
    [InlineData("(?-i:a)", "A", false)]
    [InlineData(@"alpine\z", "reg.io/alpine", true)]
    [InlineData(@"\Aalpine", "reg.io/alpine", false)]
    [InlineData(@"\bweb\b", "o/web-1", true)]
    [InlineData(@"\x2d\p{Nd}", "o/web-1", true)]
    public void An_expression_means_the_same(string expression, string image, bool isMatch)
    {
        Assert.True(GoExpression.TryParse(expression, out var regex, out var problem), problem);

        Assert.Equal(isMatch, regex.IsMatch(image));
    }

    [Theory]
    [InlineData("[[:lower:]]", "\"[:\" at character 2 is not supported: write [a-z] for [[:lower:]]")]
    [InlineData("a[^[:alpha:]_]", "\"[:\" at character 4 is not supported: write [a-z] for [[:lower:]]")]
    [InlineData(@"\Qa.b\E", "\"\\Q\" at character 1 is not supported: escape the characters")]
    [InlineData("(?U)a+", "\"(?U\" at character 1 is not supported")]
    [InlineData(@"\pN", "\"\\p\" at character 1 is not supported")]
    [InlineData(@"\p{Greek}", "\"\\p\" at character 1 is not supported")]
    [InlineData(@"\x{2d}", "\"\\x\" at character 1 is not supported")]
    [InlineData(@"a\_b", "\"\\_\" at character 2 is not supported")]
    public void What_only_Go_has_is_refused(string expression, string problem) => AssertRefused(expression, problem);

    [Theory]
    [InlineData("[a-z-[aeiou]]", "\"-[\" at character 5 is not supported")]   // a difference of classes in .NET, a bracket in Go
    [InlineData("a{02}", "\"{0\" at character 2 is not supported")]           // two in .NET, text in Go
    [InlineData(@"(a)\12", "\"\\1\" at character 4 is not supported")]        // a back-reference in .NET, a character in Go
    [InlineData(@"(?P<a>b)\<a>", "\"\\<\" at character 9 is not supported")]  // the same
    [InlineData(@"[\b]", "\"\\b\" at character 2 is not supported")]
    public void What_has_another_meaning_is_refused(string expression, string problem) => AssertRefused(expression, problem);

    [Theory]
    [InlineData("a(?=b)", "\"(?=\" at character 2 is not supported")]
    [InlineData("a(?!b)", "\"(?!\" at character 2 is not supported")]
    [InlineData("(?<=a)b", "\"(?<\" at character 1 is not supported")]
    [InlineData("(?<!a)b", "\"(?<\" at character 1 is not supported")]
    [InlineData("(?>a)", "\"(?>\" at character 1 is not supported")]
    [InlineData("(?#a)", "\"(?#\" at character 1 is not supported")]
    [InlineData("(?x) a", "\"(?x\" at character 1 is not supported")]
    [InlineData("(?'a'b)", "\"(?'\" at character 1 is not supported")]
    [InlineData("(?<a-b>c)", "\"(?<\" at character 1 is not supported")]
    [InlineData("(?(a)b|c)", "\"(?(\" at character 1 is not supported")]
    [InlineData(@"(a)\1", "\"\\1\" at character 4 is not supported")]
    [InlineData(@"(?<a>b)\k<a>", "\"\\k\" at character 8 is not supported")]
    [InlineData(@"a\Z", "\"\\Z\" at character 2 is not supported")]
    [InlineData(@"\Ga", "\"\\G\" at character 1 is not supported")]
    [InlineData(@"\u002d", "\"\\u\" at character 1 is not supported")]
    [InlineData(@"\cA", "\"\\c\" at character 1 is not supported")]
    [InlineData(@"\e", "\"\\e\" at character 1 is not supported")]
    [InlineData(@"\p{IsGreek}", "\"\\p\" at character 1 is not supported")]
    public void What_Go_does_not_have_is_refused(string expression, string problem) => AssertRefused(expression, problem);

    [Theory]
    [InlineData("a(", "Not enough )'s")]
    [InlineData("a)", "Too many )'s")]
    [InlineData("a*+", "Nested quantifier")]
    [InlineData("*a", "Quantifier")]
    [InlineData("[z-a]", "reverse order")]
    [InlineData("a[b", "the class at character 2 does not end")]
    [InlineData("a[]", "the class at character 2 does not end")]
    [InlineData(@"a\", "\"\\\" at character 2 is not supported")]
    public void What_is_no_expression_is_refused(string expression, string problem) => AssertRefused(expression, problem);

    [Theory]
    [InlineData("a{1001}", "\"{1\" at character 2 is not supported")]
    [InlineData("((a{20}b){10}){6}", "it repeats something more than 1000 times")]
    public void What_would_take_much_memory_is_refused(string expression, string problem) => AssertRefused(expression, problem);

    private static void AssertRefused(string expression, string expected)
    {
        Assert.False(GoExpression.TryParse(expression, out var regex, out var problem));

        Assert.Null(regex);
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }
}
