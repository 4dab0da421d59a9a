// What the webhook is compared with: the same server over the same TLS, which only sends back what it was sent.
var builder = WebApplication.CreateSlimBuilder(args);
builder.Logging.SetMinimumLevel(LogLevel.Warning);
builder.WebHost.UseKestrelHttpsConfiguration();
var app = builder.Build();
app.MapPost("/mutate-core-v1-pod", async http =>
{
    http.Response.ContentType = "application/json";
    http.Response.ContentLength = http.Request.ContentLength;
    await http.Request.Body.CopyToAsync(http.Response.Body, http.RequestAborted);
});
await app.RunAsync();
