using System.Text;
using Kuik.ImageFetcher.CopyEngine;
using Kuik.Oci;
using Xunit;

namespace Kuik.Tests.CopyEngine;

public sealed class TagListTests
{
    [Theory]
    [InlineData("""{"name":"a","tags":["1","2"]}""", "1,2")]
    [InlineData("""{"name":"a","tags":["1",null]}""", "1")]
    [InlineData("""{"name":"a","tags":null}""", "")]
    [InlineData("""{"name":"a"}""", "")]
    public void The_tags_of_a_list_are_read(string body, string tags) =>
        Assert.Equal(tags, string.Join(',', TagList.Parse("a", Encoding.UTF8.GetBytes(body))));

    [Theory]
    [InlineData("<html>")]
    [InlineData("[]")]
    [InlineData("""{"tags":[1]}""")]
    [InlineData("""{"tags":["\ud800"]}""")]
    public void A_body_that_is_no_list_of_tags_is_an_error_of_the_registry(string body) =>
        Assert.Equal(RegistryErrorKind.Broken,
            Assert.Throws<RegistryException>(() => TagList.Parse("a", Encoding.UTF8.GetBytes(body))).Kind);
}
