using Kuik.Kubernetes;

namespace Kuik.PodWatcher.Setup;

/// <summary>
/// Creates the Secret <c>kuik-credentials</c>, and adds keys that a newer version needs. A database is lost without its password: the claim
/// of the database's volume is annotated once the password has been used, and a Secret that is missing after that is reported and not
/// created again. Concurrent runs are safe (<see cref="SecretClient"/>).
/// </summary>
internal sealed partial class CredentialsReconciler(
    SecretClient secrets, KubernetesApi api, SetupOptions options, ILogger<CredentialsReconciler> logger)
{
    /// <summary>The Secret, in Kuik's namespace.</summary>
    public const string SecretName = "kuik-credentials";

    /// <summary>The annotation of the claim; its value is the Secret's name.</summary>
    public const string ClaimAnnotation = "kuik.enix.io/credentials";

    private static readonly SecretTemplate Template = new(SecretName, "Opaque", new Dictionary<string, string>
    {
        ["app.kubernetes.io/name"] = "kuik",
        ["app.kubernetes.io/component"] = "credentials",
        ["app.kubernetes.io/part-of"] = "kuik",
        ["kuik.enix.io/keep"] = "true",
    });

    private string ClaimPath => $"api/v1/namespaces/{options.Namespace}/persistentvolumeclaims/{options.PostgresClaim}";

    /// <summary>Creates what is missing.</summary>
    /// <returns>The content, decoded.</returns>
    /// <exception cref="SetupRefusedException">The password of an existing database is missing.</exception>
    /// <exception cref="KubernetesApiException">The API refused.</exception>
    /// <exception cref="HttpRequestException">The API is unreachable.</exception>
    public Task<IReadOnlyDictionary<string, string>> Reconcile(CancellationToken ct) =>
        SecretClient.RetryOnConflict(() => ReconcileOnce(ct));

    /// <summary>
    /// Annotates the claim: its volume holds a database with the Secret's password. Does nothing without a
    /// claim, or with an external database.
    /// </summary>
    /// <inheritdoc cref="Reconcile"/>
    public async Task MarkVolume(CancellationToken ct)
    {
        if (options.ExternalPostgres is not null)
            return;
        if (await api.TryGet(ClaimPath, SetupJson.Default.VolumeClaim, ct) is not { } claim || IsMarked(claim))
            return;
        var mark = new VolumeClaim(new ObjectMeta { Annotations = new Dictionary<string, string> { [ClaimAnnotation] = SecretName } });
        await api.Merge(ClaimPath, mark, SetupJson.Default.VolumeClaim, ct);
    }

    private async Task<IReadOnlyDictionary<string, string>> ReconcileOnce(CancellationToken ct)
    {
        var secret = await secrets.Read(SecretName, ct);
        var (isNew, missing) = (secret.Version is null, Credentials.MissingOf(secret.Data, options.PostgresHost));
        if (missing.Count == 0)
            return secret.Data;
        if (missing.ContainsKey(Credentials.PostgresPassword) && await ProblemOfDatabase(isNew, ct) is { } problem)
        {
            // Another replica may have created the Secret, and Postgres have started, since it was read.
            var isMade = isNew && (await secrets.Read(SecretName, ct)).Version is not null;
            return isMade ? await ReconcileOnce(ct) : throw new SetupRefusedException(problem);
        }
        await secrets.Write(Template, secret, missing, ct);
        if (isNew)
            LogCreated(SecretName);
        else
            LogAdded(SecretName, string.Join(", ", missing.Keys.Order()));
        return secret.Data.Concat(missing).ToDictionary();
    }

    /// <summary>Why no new password may be created; null when there is no database yet.</summary>
    private async Task<string?> ProblemOfDatabase(bool isGone, CancellationToken ct)
    {
        if (options.ExternalPostgres is not null)
            return null;
        var gone = $"Secret {options.Namespace}/{SecretName} {(isGone ? "is gone" : $"has lost its key {Credentials.PostgresPassword}")}";
        var advice = $"restore the Secret from a backup; if the database may be lost, delete the claim {options.PostgresClaim} and its pod";
        if (await api.TryGet(ClaimPath, SetupJson.Default.VolumeClaim, ct) is { } claim && IsMarked(claim))
            return $"{gone}, and the volume of claim {options.PostgresClaim} holds a database with the password that was in it: {advice}";
        // Postgres starts only with the Secret, so one that answers already has a password.
        return await DatabaseLogin.Answers(options.PostgresHost, ct)
            ? $"{gone}, and Postgres answers at {options.PostgresHost} with the password that was in it: {advice}"
            : null;
    }

    private static bool IsMarked(VolumeClaim claim) => claim.Metadata.Annotations?.ContainsKey(ClaimAnnotation) == true;

    [LoggerMessage(LogLevel.Information, "created Secret {Name}: keep a copy of it with the backups of the database")]
    private partial void LogCreated(string name);

    [LoggerMessage(LogLevel.Information, "added to Secret {Name}: {Keys}")]
    private partial void LogAdded(string name, string keys);
}
