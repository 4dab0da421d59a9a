using System.Buffers;
using System.Security.Cryptography;
using Kuik.EventLog;
using Kuik.Hosting;
using Npgsql;

namespace Kuik.ImageFetcher.Scrubbing;

/// <summary>
/// Reads every blob in the registry's volume and compares it with its digest, which is the name of its folder. A damaged one is moved away,
/// because a registry takes a blob that is there for whole and would never accept it again; then it counts as missing, and
/// <see cref="CacheVerificationService"/> has it copied again. It needs no lease: a blob appears under its name only when it is complete.
/// <para>1. Read blob after blob. 2. Move away what is damaged. 3. Have the images looked at soon: at once, because the run may be ended at
/// any moment.</para>
/// </summary>
internal sealed partial class RegistryScrubber(
    ScrubOptions options, NpgsqlDataSource postgres, TimeProvider time, ILogger<RegistryScrubber> logger)
{
    private const int BufferSize = 1 << 20;

    /// <summary>Within this time the images are looked at after a damaged blob was found.</summary>
    private static readonly TimeSpan Soon = TimeSpan.FromMinutes(10);

    /// <summary>The time limit of telling Postgres, also when the run is ended by a signal.</summary>
    private static readonly TimeSpan TellingLimit = TimeSpan.FromSeconds(10);

    private long _bytes;
    private string? _untold;

    /// <summary>Reads all once.</summary>
    /// <returns>0; <see cref="ExitCodes.TryAgain"/> when it was stopped, or Postgres could not be told about a damaged blob.</returns>
    public async Task<int> Scrub(CancellationToken ct)
    {
        var (blobs, damaged, begun) = (0, 0, time.GetTimestamp());
        LogStarts(options.Blobs, options.BytesPerSecond);
        try
        {
            foreach (var blob in Blobs())
            {
                // 1.
                blobs++;
                if (await IsWhole(blob, begun, ct))
                    continue;

                // 2.
                damaged++;
                MoveAway(blob);
                LogDamaged(blob.Digest, options.Quarantine);

                // 3.
                await MakeImagesDue();
            }
            LogEnded(blobs, _bytes, damaged, time.GetElapsedTime(begun).TotalSeconds);
        }
        catch (OperationCanceledException) when (ct.IsCancellationRequested)
        {
            LogStopped(blobs);
        }
        if (_untold is not null)
            await MakeImagesDue();
        if (_untold is not null)
            LogNotTold(_untold);
        return _untold is null && !ct.IsCancellationRequested ? 0 : ExitCodes.TryAgain;
    }

    // Not cancelled with the run: the blob is gone already. Images that are due soon anyway are left, so repeating it costs little.
    private async Task MakeImagesDue()
    {
        using var limit = new CancellationTokenSource(TellingLimit, time);
        try
        {
            await VerificationWork.BringForward(postgres, Soon, limit.Token);
            _untold = null;
        }
        catch (Exception away) when (away is NpgsqlException or OperationCanceledException)
        {
            _untold = away is NpgsqlException ? EventLogFault.ReasonOf(away) : $"no answer within {TellingLimit.TotalSeconds:0} s";
        }
    }

    // One folder of two digits after the other, because a volume may hold millions; from another one each time, because a run may be ended
    // before it has read all.
    private IEnumerable<StoredBlob> Blobs() =>
        from algorithm in Folders(options.Blobs)
        where algorithm is "sha256" or "sha512"
        from prefix in Rotated([.. Folders(Path.Combine(options.Blobs, algorithm))])
        from hex in Folders(Path.Combine(options.Blobs, algorithm, prefix))
        select new StoredBlob(algorithm, hex, Path.Combine(options.Blobs, algorithm, prefix, hex, "data"));

    private static IEnumerable<string> Folders(string folder) =>
        Directory.Exists(folder)
            ? Directory.EnumerateDirectories(folder).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal)
            : [];

    private static IEnumerable<string> Rotated(IReadOnlyList<string> folders)
    {
        var first = Random.Shared.Next(folders.Count + 1);
        return folders.Skip(first).Concat(folders.Take(first));
    }

    /// <summary>False for one whose bytes are not those of its digest. One that is gone meanwhile, for example collected, is not
    /// damaged.</summary>
    private async Task<bool> IsWhole(StoredBlob blob, long begun, CancellationToken ct)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            using var hash = IncrementalHash.CreateHash(blob.Algorithm == "sha256" ? HashAlgorithmName.SHA256 : HashAlgorithmName.SHA512);
            await using var file = new FileStream(
                blob.File, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, bufferSize: 1,
                FileOptions.SequentialScan);
            while (await file.ReadAsync(buffer.AsMemory(0, BufferSize), ct) is > 0 and var read)
            {
                hash.AppendData(buffer, 0, read);
                _bytes += read;
                await KeepPace(begun, ct);
            }
            return Convert.ToHexStringLower(hash.GetHashAndReset()) == blob.Hex;
        }
        catch (Exception gone) when (gone is FileNotFoundException or DirectoryNotFoundException)
        {
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async Task KeepPace(long begun, CancellationToken ct)
    {
        var ahead = TimeSpan.FromSeconds((double)_bytes / options.BytesPerSecond) - time.GetElapsedTime(begun);
        if (ahead > TimeSpan.FromMilliseconds(20))
            await Task.Delay(ahead, time, ct);
    }

    // One of each digest is kept, for a person who wants to know what happened to the disk.
    private void MoveAway(StoredBlob blob)
    {
        Directory.CreateDirectory(options.Quarantine);
        File.Move(blob.File, Path.Combine(options.Quarantine, $"{blob.Algorithm}-{blob.Hex}"), overwrite: true);
    }

    /// <summary>A blob in the volume.</summary>
    /// <param name="Algorithm"><c>sha256</c> or <c>sha512</c>.</param>
    /// <param name="Hex">The digest's digits.</param>
    /// <param name="File">Its bytes.</param>
    private sealed record StoredBlob(string Algorithm, string Hex, string File)
    {
        public string Digest => $"{Algorithm}:{Hex}";
    }

    [LoggerMessage(LogLevel.Information, "reads all blobs in {Folder}, {BytesPerSecond} bytes a second at most")]
    private partial void LogStarts(string folder, long bytesPerSecond);

    [LoggerMessage(LogLevel.Error, "blob {Digest} is damaged: moved to {Quarantine}, its images are copied again")]
    private partial void LogDamaged(string digest, string quarantine);

    [LoggerMessage(LogLevel.Information, "{Blobs} blobs of {Bytes} bytes read in {Seconds:0.0} s, {Damaged} damaged")]
    private partial void LogEnded(int blobs, long bytes, int damaged, double seconds);

    [LoggerMessage(LogLevel.Warning,
        "damaged blobs were moved away, and are noticed by the next verification only, because Postgres does not answer: {Reason}")]
    private partial void LogNotTold(string reason);

    [LoggerMessage(LogLevel.Warning, "scrubbing is stopped by a signal after {Blobs} blobs; the next run begins at another one")]
    private partial void LogStopped(int blobs);
}
