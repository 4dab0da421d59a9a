using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Kuik.PodWatcher.Setup;
using Xunit;

namespace Kuik.Tests.PodWatcher;

public sealed class WebhookCertificatesTests
{
    private static readonly DateTimeOffset Now = new(2030, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly string[] Names = ["kuik-webhook.kuik-system.svc", "kuik-webhook"];

    [Fact]
    public void An_authority_lives_a_year_and_a_certificate_90_days_with_keys_of_P_256()
    {
        var authority = WebhookCertificates.NewAuthority(Now);
        var serving = WebhookCertificates.NewServing(authority, Names, Now);

        Assert.Equal((Now.AddDays(365), Now.AddDays(90)), (WebhookCertificates.EndOf(authority), WebhookCertificates.EndOf(serving)));
        foreach (var pair in new[] { authority, serving })
        {
            using var certificate = X509Certificate2.CreateFromPem(pair.Certificates, pair.Key);
            using var key = certificate.GetECDsaPrivateKey()!;
            Assert.Equal(ECCurve.NamedCurves.nistP256.Oid.Value, key.ExportParameters(false).Curve.Oid.Value);
        }
        Assert.True(WebhookCertificates.IsFor(serving, Names));
        Assert.False(WebhookCertificates.IsFor(serving, ["kuik-webhook.elsewhere.svc"]));
        Assert.True(WebhookCertificates.IsSignedBy(serving, authority));
        Assert.False(WebhookCertificates.IsSignedBy(serving, WebhookCertificates.NewAuthority(Now)));
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(59, false)]
    [InlineData(60, true)]
    [InlineData(90, true)]
    public void A_certificate_is_due_when_two_thirds_of_its_time_are_over(int days, bool isDue)
    {
        var serving = WebhookCertificates.NewServing(WebhookCertificates.NewAuthority(Now), Names, Now);

        Assert.Equal(isDue, WebhookCertificates.IsDue(serving, Now.AddDays(days)));
    }

    [Fact]
    public void A_certificate_does_not_outlive_its_authority()
    {
        var authority = WebhookCertificates.NewAuthority(Now);

        Assert.Equal(Now.AddDays(365), WebhookCertificates.EndOf(WebhookCertificates.NewServing(authority, Names, Now.AddDays(350))));
    }

    [Fact]
    public void What_cannot_be_used_is_due()
    {
        var (one, other) = (WebhookCertificates.NewAuthority(Now), WebhookCertificates.NewAuthority(Now));

        Assert.True(WebhookCertificates.IsDue(null, Now));
        Assert.True(WebhookCertificates.IsDue(one with { Key = other.Key }, Now));
        Assert.True(WebhookCertificates.IsDue(one with { Certificates = "no PEM" }, Now));
        Assert.True(WebhookCertificates.IsDue(one with { Key = "" }, Now));
        Assert.False(WebhookCertificates.IsDue(one, Now));
    }

    [Fact]
    public void A_bundle_holds_each_authority_that_has_not_ended_once_the_newest_first()
    {
        var (old, young) = (WebhookCertificates.NewAuthority(Now), WebhookCertificates.NewAuthority(Now.AddDays(244)));
        var both = young.Certificates + old.Certificates;

        Assert.Equal(both, WebhookCertificates.Bundle([old.Certificates, both, "", "no PEM"], Now.AddDays(244)));
        Assert.Equal(young.Certificates, WebhookCertificates.Bundle([both], Now.AddDays(366)));
    }
}
