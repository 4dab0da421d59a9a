using Kuik.CommandLine.Doctor;
using Kuik.CommandLine.Doctor.Checks;
using Kuik.Testing;
using Xunit;
using static Kuik.Tests.Doctor.HealthyCluster;

namespace Kuik.Tests.Doctor;

public sealed class CertificateCheckTests
{
    private static readonly CertificateAuthority Another = new("another");

    [Fact]
    public void An_authority_in_caBundle_that_did_not_sign_the_certificate_is_an_error()
    {
        var (severity, found, _) = new CertificateCheck().Only(Snapshot with { Webhook = Configuration(Another.Pem) });

        Assert.Equal((Severity.Error, "caBundle of webhook pods.kuik.enix.io does not hold the authority of the webhook's certificate"),
            (severity, found));
    }

    [Theory]
    [InlineData("")]
    [InlineData("QQ==, which is no PEM")]
    public void An_empty_caBundle_is_an_error(string bundle)
    {
        var (severity, found, _) = new CertificateCheck().Only(Snapshot with { Webhook = Configuration(bundle) });

        Assert.Equal((Severity.Error, "caBundle of webhook pods.kuik.enix.io is empty, so the API server trusts no certificate"),
            (severity, found));
    }

    [Fact]
    public void An_older_authority_beside_the_right_one_does_no_harm()
    {
        var bundle = Another.Pem + "\n"
            + System.Text.Encoding.UTF8.GetString(Convert.FromBase64String(Snapshot.Webhook.Value!.Webhooks![0].ClientConfig!.CaBundle!));

        Assert.Equal(Severity.Ok, new CertificateCheck().Only(Snapshot with { Webhook = Configuration(bundle) }).Severity);
    }

    [Theory]
    [InlineData(100, Severity.Ok)]
    [InlineData(300, Severity.Warning)]
    [InlineData(400, Severity.Error)]
    public void Certificate_and_authority_near_their_end_are_warnings_and_past_it_errors(int days, Severity expected)
    {
        var findings = new CertificateCheck().Examine(Snapshot with { Time = Now.AddDays(days) });

        Assert.All(findings, finding => Assert.Equal(expected, finding.Severity));
        Assert.Equal(expected == Severity.Ok ? 1 : 2, findings.Count);
    }

    [Fact]
    public void A_certificate_for_another_name_is_an_error()
    {
        var authority = new CertificateAuthority("kuik-webhook-ca");
        var certificate = authority.Issue("CN=kuik-webhook", "kuik-webhook.elsewhere.svc").Certificate;

        var (severity, found, _) = new CertificateCheck().Only(
            Snapshot with { Certificate = Reading.Of<string?>(certificate), Webhook = Configuration(authority.Pem) });

        Assert.Equal((Severity.Error, "the webhook's certificate is not for kuik-webhook.kuik-system.svc"), (severity, found));
    }

    [Fact]
    public void Without_the_Secret_it_is_an_error() =>
        Assert.Equal(Severity.Error, new CertificateCheck().Only(Snapshot with { Certificate = Reading.Of<string?>(null) }).Severity);

    [Fact]
    public void A_Secret_that_holds_no_certificate_is_an_error() =>
        Assert.Equal(Severity.Error, new CertificateCheck().Only(Snapshot with { Certificate = Reading.Of<string?>("nothing") }).Severity);

    [Fact]
    public void What_comes_from_cert_manager_is_to_be_looked_for_there() => Assert.Contains(
        "cert-manager",
        new CertificateCheck()
            .Only(Snapshot with
            {
                Certificate = Reading.Of<string?>(null),
                Settings = Settings(("Kuik__Setup__Certificate", "external")),
            }).Action,
        StringComparison.Ordinal);
}
