namespace Kuik.Testing;

/// <summary>A refusal of a <see cref="ScriptedKubernetes"/>, as of a real server.</summary>
/// <param name="status">HTTP's.</param>
/// <param name="reason">The API's reason: <c>NotFound</c>, <c>Conflict</c>.</param>
/// <param name="message">For users.</param>
internal sealed class RefusedException(int status, string reason, string message) : Exception(message)
{
    public int Status => status;

    public string Reason => reason;

    public static RefusedException NotFound(ScriptedRequest request) =>
        new(404, "NotFound", $"{request.KindOfObject} \"{request.Name}\" not found");

    public static RefusedException AlreadyExists(ScriptedRequest request, string name) =>
        new(409, "AlreadyExists", $"{request.KindOfObject} \"{name}\" already exists");

    public static RefusedException Conflict(ScriptedRequest request, string why) =>
        new(409, "Conflict", $"Operation cannot be fulfilled on {request.KindOfObject} \"{request.Name}\": {why}");
}
