using Kuik.Contracts;
using Kuik.EventLog;
using Npgsql;

namespace Kuik.ImageFetcher;

/// <summary>
/// Reads the names of the pull secrets of pods: for an image by tag, of the pods that use this tag; for one by digest, of
/// the pods that use its repository. After them those that people name for the repository (<c>spec.pullSecretNames</c>).
/// </summary>
/// <exception cref="NpgsqlException">Postgres is unreachable, or did not answer.</exception>
public delegate Task<IReadOnlyList<PullSecret>> ReadPullSecretNames(ImageReference image, CancellationToken ct);
