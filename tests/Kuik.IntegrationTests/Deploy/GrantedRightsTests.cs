using System.Text.Json.Nodes;
using Kuik.Testing;
using Xunit;

namespace Kuik.IntegrationTests.Deploy;

public sealed class GrantedRightsTests
{
    private const string Account = "kuik-system/kuik-one";

    private static readonly GrantedRights Rights = GrantedRights.Of(JsonNode.Parse("""
        {"items": [
          {"kind": "ClusterRole", "metadata": {"name": "kuik-one"},
           "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]},
                     {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]},
          {"kind": "Role", "metadata": {"name": "kuik-one", "namespace": "kuik-system"},
           "rules": [{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["kuik-credentials"], "verbs": ["get"]}]},
          {"kind": "ClusterRoleBinding", "metadata": {"name": "kuik-one"}, "roleRef": {"kind": "ClusterRole", "name": "kuik-one"},
           "subjects": [{"kind": "ServiceAccount", "name": "kuik-one", "namespace": "kuik-system"}]},
          {"kind": "RoleBinding", "metadata": {"name": "kuik-one", "namespace": "kuik-system"},
           "roleRef": {"kind": "Role", "name": "kuik-one"},
           "subjects": [{"kind": "ServiceAccount", "name": "kuik-one", "namespace": "kuik-system"}]}
        ]}
        """)!);

    public static TheoryData<string, string, string, string?, string?> Others => new()
    {
        { Account, "get", "secrets", "apps", "kuik-credentials" },
        { Account, "get", "secrets", "kuik-system", "other" },
        { Account, "patch", "secrets", "kuik-system", "kuik-credentials" },
        { Account, "list", "pods/log", null, null },
        { Account, "get", "pods", "apps", "web" },
        { "kuik-system/kuik-two", "list", "pods", null, null },
        { Account, "get", "/version", null, null },
    };

    [Fact]
    public void A_call_is_covered_by_a_right_on_its_verb_resource_namespace_and_name() => Assert.Empty(Rights.Uncovered(
    [
        new(Account, "list", "", "pods", null, null, 200),
        new(Account, "watch", "", "pods", "apps", null, 200),
        new(Account, "get", "", "secrets", "kuik-system", "kuik-credentials", 404),
    ]));

    [Theory]
    [MemberData(nameof(Others))]
    public void Any_other_call_is_named(string account, string verb, string resource, string? space, string? name)
    {
        var call = new ApiCall(account, verb, "", resource, space, name, 403);

        Assert.Equal([call], Rights.Uncovered([call, call]));
    }

    [Fact]
    public void A_right_that_no_call_uses_is_named() => Assert.Equal(
        [
            new(Account, "watch", "", "pods", null, null),
            new(Account, "*", "*", "*", null, null),
            new(Account, "get", "", "secrets", "kuik-system", "kuik-credentials"),
        ],
        Rights.Unused([new(Account, "list", "", "pods", null, null, 200)]));
}
