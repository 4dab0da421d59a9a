using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using k8s;
using k8s.Models;
using Kuik.Kubernetes;
using Kuik.Testing;
using Xunit;

namespace Kuik.Tests.Deploy;

/// <summary>The CustomResourceDefinitions as they are shipped.</summary>
public sealed class ResourceDefinitionsTests
{
    private static readonly string Folder = Path.Combine(Checkout.Root, "deploy/kustomize/base/crds");

    /// <summary>The limit for all annotations of an object; kubectl apply keeps the whole manifest in one.</summary>
    private const int AnnotationLimit = 262_144;

    [Theory]
    [InlineData("cachedimage.yaml")]
    [InlineData("repository.yaml")]
    public void It_is_far_below_what_kubectl_apply_can_keep_in_an_annotation(string file) =>
        Assert.InRange(JsonSerializer.Serialize(Read(file)).Length, 1, AnnotationLimit / 4);

    [Theory]
    [InlineData("cachedimage.yaml", typeof(CachedImageSpec), "spec")]
    [InlineData("cachedimage.yaml", typeof(CachedImageStatus), "status")]
    [InlineData("repository.yaml", typeof(RepositorySpec), "spec")]
    [InlineData("repository.yaml", typeof(RepositoryStatus), "status")]
    public void Every_property_that_Kuik_reads_or_writes_is_in_the_schema_with_its_type(string file, Type type, string part)
    {
        var schema = Read(file).Spec.Versions.Single().Schema.OpenAPIV3Schema.Properties[part];

        Assert.Empty(Differences(type, schema, part));
    }

    [Theory]
    [InlineData("cachedimage.yaml")]
    [InlineData("repository.yaml")]
    public void Every_field_is_described_for_kubectl_explain(string file)
    {
        var schema = Read(file).Spec.Versions.Single().Schema.OpenAPIV3Schema;

        Assert.NotEmpty(schema.Description);
        Assert.Empty(Undescribed(schema, "").Except(["apiVersion", "kind", "metadata"]));   // those are Kubernetes' own
    }

    private static IEnumerable<string> Undescribed(V1JSONSchemaProps schema, string path) =>
        from field in (schema.Type == "array" ? ItemsOf(schema) : schema).Properties ?? new Dictionary<string, V1JSONSchemaProps>()
        from name in (string[])[.. string.IsNullOrEmpty(field.Value.Description) ? [path + field.Key] : Array.Empty<string>(),
            .. Undescribed(field.Value, $"{path}{field.Key}.")]
        select name;

    // What is not in the schema the API server would drop without a word.
    private static IEnumerable<string> Differences(Type type, V1JSONSchemaProps schema, string path)
    {
        foreach (var property in type.GetProperties().Where(property => property.GetCustomAttribute<JsonIgnoreAttribute>() is null))
        {
            var name = $"{path}.{JsonNamingPolicy.CamelCase.ConvertName(property.Name)}";
            if (schema.Properties?.TryGetValue(name.Split('.')[^1], out var field) != true)
                yield return $"{name} is not in the schema";
            else
            {
                foreach (var difference in DifferencesOfValue(property.PropertyType, field!, name))
                    yield return difference;
            }
        }
    }

    private static IEnumerable<string> DifferencesOfValue(Type type, V1JSONSchemaProps schema, string path)
    {
        type = Nullable.GetUnderlyingType(type) ?? type;
        var expected = TypeOf(type);
        if (schema.Type != expected)
            return [$"{path} is {schema.Type}, not {expected}"];
        if (type == typeof(DateTimeOffset) && schema.Format != "date-time")
            return [$"{path} has the format {schema.Format}, not date-time"];
        return expected switch
        {
            "array" => DifferencesOfValue(type.GenericTypeArguments[0], ItemsOf(schema), path + "[]"),
            "object" => Differences(type, schema, path),
            _ => [],
        };
    }

    private static string TypeOf(Type type) => Type.GetTypeCode(type) switch
    {
        TypeCode.String => "string",
        TypeCode.Boolean => "boolean",
        TypeCode.Int32 or TypeCode.Int64 => "integer",
        _ => type == typeof(DateTimeOffset) ? "string" : type.IsGenericType ? "array" : "object",
    };

    // The client leaves them as it has read them: one schema or a list of them.
    private static V1JSONSchemaProps ItemsOf(V1JSONSchemaProps array) =>
        KubernetesYaml.Deserialize<V1JSONSchemaProps>(KubernetesYaml.Serialize(array.Items), strict: true);

    private static V1CustomResourceDefinition Read(string file) =>
        KubernetesYaml.Deserialize<V1CustomResourceDefinition>(File.ReadAllText(Path.Combine(Folder, file)), strict: true);
}
