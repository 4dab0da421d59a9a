using System.Reflection;
using Xunit;

namespace Kuik.Tests.Architecture;

/// <summary>
/// The cancellation token of a method is called <c>ct</c>. Methods that override or implement those of other code have its names; a
/// constructor takes the token of a lifetime, which is called so. Lambdas are not looked at: they may be inside of a method with a token.
/// </summary>
public sealed class TokenNameTests
{
    private const BindingFlags Declared =
        BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;

    private static readonly Assembly[] Code =
        [.. Directory.EnumerateFiles(AppContext.BaseDirectory, "Kuik.*.dll").Select(Assembly.LoadFrom)];

    [Fact]
    public void The_token_of_a_method_is_called_ct()
    {
        var wrong = Code.SelectMany(assembly => assembly.GetTypes()).Where(type => type.DeclaringType != typeof(TokenNameTests))
            .SelectMany(WrongNames).Distinct().Order(StringComparer.Ordinal).ToList();

        Assert.True(Code.Length > 10, $"{Code.Length} assemblies");
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public void A_method_a_delegate_and_an_own_interface_with_another_name_are_reported_and_names_of_others_are_not()
    {
        Assert.Equal(["IOwn.Do(token)"], WrongNames(typeof(IOwn)));
        Assert.Equal(["Act.Invoke(token)"], WrongNames(typeof(Act)).Where(name => name.StartsWith("Act.Invoke", StringComparison.Ordinal)));
        Assert.Equal(["Sample.Do(token)"], WrongNames(typeof(Sample)));
    }

    private static IEnumerable<string> WrongNames(Type type)
    {
        if (type.Name.Contains('<', StringComparison.Ordinal))
            return [];
        var ofOthers = type.IsInterface ? [] : type.GetInterfaces().Where(one => !IsOurs(one))
            .SelectMany(one => type.GetInterfaceMap(one).TargetMethods).ToHashSet();
        return from method in type.GetMethods(Declared)
               where !method.Name.Contains('<', StringComparison.Ordinal) && !ofOthers.Contains(method)
                   && IsOurs(method.GetBaseDefinition().DeclaringType!) && method.Name is not ("BeginInvoke" or "EndInvoke")
               let tokens = method.GetParameters().Where(parameter => parameter.ParameterType == typeof(CancellationToken)).ToList()
               where tokens.Count > 0 && tokens.All(parameter => parameter.Name != "ct")
               select $"{type.Name}.{method.Name}({tokens[0].Name})";
    }

    private static bool IsOurs(Type type) => type.Assembly.GetName().Name!.StartsWith("Kuik.", StringComparison.Ordinal);

    private delegate Task Act(CancellationToken token);

    private interface IOwn
    {
        Task Do(CancellationToken token);
    }

    private sealed class Sample : Stream, IAsyncDisposable
    {
        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => 0;

        public override long Position { get; set; }

        public static Task Do(CancellationToken token) => Task.Delay(0, token);

        public static Task Done(CancellationToken other, CancellationToken ct) => Task.WhenAll(Do(other), Do(ct));

        public override void Flush()
        {
        }

        public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public override int Read(byte[] buffer, int offset, int count) => 0;

        public override long Seek(long offset, SeekOrigin origin) => 0;

        public override void SetLength(long value)
        {
        }

        public override void Write(byte[] buffer, int offset, int count)
        {
        }
    }
}
