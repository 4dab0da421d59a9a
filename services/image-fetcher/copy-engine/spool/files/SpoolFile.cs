using Microsoft.Win32.SafeHandles;

namespace Kuik.ImageFetcher.CopyEngine;

/// <summary>The bytes of one blob in the spool: a file, or memory if the disk has no room for even a small one.</summary>
internal sealed class SpoolFile : IDisposable
{
    private readonly SafeFileHandle? _handle;
    private readonly string _path;
    private readonly byte[]? _memory;

    private SpoolFile(SafeFileHandle? handle, string path, byte[]? memory) => (_handle, _path, _memory) = (handle, path, memory);

    /// <summary>The size of the memory, in bytes; null for a file.</summary>
    public int? MemorySize => _memory?.Length;

    /// <summary>Creates the file.</summary>
    /// <param name="path">Must not exist.</param>
    /// <param name="size">In bytes, allocated at once, so that they can be written later on a full disk.</param>
    /// <exception cref="IOException">The disk is full, or cannot be written.</exception>
    public static SpoolFile Create(string path, long size) => new(
        File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.Read | FileShare.Delete, FileOptions.Asynchronous, size),
        path, memory: null);

    /// <summary>Memory in place of a file.</summary>
    public static SpoolFile InMemory(int size) => new(null, "", new byte[size]);

    /// <summary>Reads at a position; 0 only for an empty buffer.</summary>
    public ValueTask<int> Read(Memory<byte> buffer, long position, CancellationToken ct)
    {
        if (_handle is not null)
            return RandomAccess.ReadAsync(_handle, buffer, position, ct);
        _memory.AsSpan((int)position, buffer.Length).CopyTo(buffer.Span);
        return ValueTask.FromResult(buffer.Length);
    }

    /// <summary>Writes at a position.</summary>
    /// <exception cref="IOException">The disk is full, or cannot be written.</exception>
    public ValueTask Write(ReadOnlyMemory<byte> bytes, long position, CancellationToken ct)
    {
        if (_handle is not null)
            return RandomAccess.WriteAsync(_handle, bytes, position, ct);
        bytes.Span.CopyTo(_memory.AsSpan((int)position));
        return ValueTask.CompletedTask;
    }

    /// <summary>Closes and deletes the file. May take long for a large one: never call it under a lock.</summary>
    public void Dispose()
    {
        if (_handle is null)
            return;
        _handle.Dispose();
        try
        {
            File.Delete(_path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // Its folder is deleted when this process, or the next one on this volume, starts.
        }
    }
}
