using System.Text;
using System.Text.Json.Nodes;
using Kuik.Contracts;

namespace Kuik.Tests.Webhook;

/// <summary>
/// Writes the text of something that is more or less a pod: fields of tomorrow, wrong kinds, members twice, lists that are null, huge and
/// odd texts, deep nesting. As text, since no object model can hold all of that.
/// </summary>
internal sealed class RandomPod(int seed)
{
    private static readonly string[] Images =
    [
        "nginx", "nginx:1.27", "reg.io:5000/team/app:2",
        "quay.io/a/b@sha256:5b16a13a9ed9e4d1d7f1e4f5c0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3", "localhost:7439/nginx:1",
        "localhost:1313/reg.io-5000/team/app:2", "localhost:5000/own:1", "a:b:c", "", " ", "REG.IO/a/b", "[::1]:5000/foo:1", "é/ö:ü",
        "nginx\n", "\u0000", "🐳:1", "-", "/", "@", "x/y:latest",
    ];

    private static readonly string[] Texts =
    [
        "web", "web", "side-car", "", "A name, 'odd' \"and\" / ~1 long", "é", new('n', 63), new('n', 300), new('ü', 48), "init-image-web",
        "🐳", "\u001b[31m", "a\nb",
    ];

    private static readonly string[] Keys =
    [
        "image", "name", "labels", "annotations", "spec", "metadata", "containers", "fieldOfTomorrow", "", "a/b", "~", "~1", "é", "🐳",
        "__proto__", "$ref", Names.ManagedLabel,
        "volumes", "reference", Names.RewriteAnnotation, Names.OriginalImageAnnotation("web"), Names.OriginalInitImageAnnotation("web"),
        Names.OriginalImageAnnotation(new string('n', 300)),
    ];

    private readonly Random _random = new(seed);
    private readonly StringBuilder _text = new();

    /// <summary>A pod, or what could have been one.</summary>
    public string Write()
    {
        if (OneIn(40))
            Any(4);
        else
            Object(("kind", () => Text("Pod")), ("metadata", Metadata), ("spec", Spec), ("status", () => Any(5)));
        return _text.ToString();
    }

    private void Metadata() =>
        Usually(() => Object(("name", () => Text(Texts)), ("labels", Labels), ("annotations", Annotations),
            ("fieldOfTomorrow", () => Any(3))));

    private void Labels() =>
        Usually(() => Object(("app", () => Text(Texts)), (Names.ManagedLabel, () => Text("true")),
            (OneIn(4) ? Names.PolicyLabel : "other", () => Text("ignore"))));

    private void Annotations() => Usually(() => Object(
        (Names.RewriteAnnotation, () => Text("true", "false", "perhaps")),
        (OneIn(8) ? Names.MirrorPodAnnotation : "note", () => Text(Texts)),
        ("original-image-web", () => Text(Images)),
        ("original-init-image-web", () => Text(Images)),
        ("original-volume-image-web", () => Text(Images)),
        ("large", () => Text(new string('x', OneIn(20) ? 270_000 : 10)))));

    private void Spec() =>
        Usually(() => Object(("containers", Containers), ("initContainers", Containers), ("ephemeralContainers", Containers),
            ("image", () => Text(Images)), ("volumes", Volumes)));

    private void Volumes() => Usually(() => List(_random.Next(4), () => Usually(() => Object(
        ("name", () => Usually(() => Text(Texts))),
        (OneIn(4) ? "emptyDir" : "image", () => Usually(() => Object(
            ("reference", () => Usually(() => Text(Images))),
            ("pullPolicy", () => Usually(() => Text("Always", "IfNotPresent", "Never"))))))))));

    private void Containers() => Usually(() => List(_random.Next(5), Container));

    private void Container() => Usually(() => Object(
        ("name", () => Usually(() => Text(Texts))),
        ("image", () => Usually(() => Text(OneIn(15) ? [new string('i', 40_000)] : Images))),
        ("imagePullPolicy", () => Usually(() => Text("Always", "IfNotPresent", "IfNotPresent", "Never", "WhenTheMoonIsFull"))),
        ("resources", () => Any(6))));

    // Something of another kind now and then.
    private void Usually(Action write)
    {
        if (OneIn(15))
            Any(3);
        else
            write();
    }

    private void Any(int depth)
    {
        switch (_random.Next(depth > 0 ? 9 : 5))
        {
            case 0: _text.Append("null"); break;
            case 1: _text.Append(OneIn(2) ? "true" : "false"); break;
            case 2: _text.Append(OneIn(2) ? "-1.50e400" : "18446744073709551616"); break;
            case 3: Text(Images); break;
            case 4: Text(Texts); break;
            case 5: List(_random.Next(4), () => Any(depth - 1)); break;
            case 6: Nested(_random.Next(1, 200)); break;
            default:
                Object([.. Enumerable.Range(0, _random.Next(4))
                .Select(_ => (Keys[_random.Next(Keys.Length)], (Action)(() => Any(depth - 1))))]); break;
        }
    }

    private void Nested(int depth) => _text.Insert(_text.Length, "[", depth).Append("{}").Insert(_text.Length, "]", depth);

    private void List(int count, Action item)
    {
        _text.Append('[');
        for (var i = 0; i < count; i++)
        {
            _text.Append(i > 0 ? "," : "");
            item();
        }
        _text.Append(']');
    }

    // Members in any order, some left out, some twice, some unknown ones in between.
    private void Object(params (string Key, Action Value)[] members)
    {
        var all = members.Where(_ => !OneIn(6)).ToList();
        if (all.Count > 0 && OneIn(6))
            all.Add(all[_random.Next(all.Count)]);
        if (OneIn(4))
            all.Add((Keys[_random.Next(Keys.Length)], () => Any(2)));
        _random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(all));
        _text.Append('{');
        for (var i = 0; i < all.Count; i++)
        {
            _text.Append(i > 0 ? "," : "");
            Text(all[i].Key);
            _text.Append(':');
            all[i].Value();
        }
        _text.Append('}');
    }

    private void Text(params string[] choices) => _text.Append(JsonValue.Create(choices[_random.Next(choices.Length)]).ToJsonString());

    private bool OneIn(int times) => _random.Next(times) == 0;
}
