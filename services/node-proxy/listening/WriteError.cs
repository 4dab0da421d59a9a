using System.Text;
using Kuik.Oci;

namespace Kuik.NodeProxy;

/// <summary>Errors as the distribution specification has them.</summary>
internal static class WriteError
{
    public static Task To(HttpContext http, int status, string code, string message) =>
        To(http, new Answer.Refused(status, RegistryErrors.Body(code, message), null));

    public static Task To(HttpContext http, Answer.Refused refused)
    {
        var bytes = Encoding.UTF8.GetBytes(refused.Body);
        http.Response.StatusCode = refused.Status;
        http.Response.ContentType = RegistryErrors.MediaType;
        http.Response.ContentLength = bytes.Length;
        if (refused.RetryAfter is { } wait)
            http.Response.Headers.RetryAfter = wait;
        if (refused.ContentRange is { } size)
            http.Response.Headers.ContentRange = size;
        if (refused.Status == 405)
            http.Response.Headers.Allow = "GET, HEAD";
        return HttpMethods.IsHead(http.Request.Method)
            ? Task.CompletedTask
            : http.Response.Body.WriteAsync(bytes, http.RequestAborted).AsTask();
    }
}
