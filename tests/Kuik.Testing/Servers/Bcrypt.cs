using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Kuik.Testing;

/// <summary>Password hashes as docker-registry wants them, by the C library's crypt(3).</summary>
internal static class Bcrypt
{
    /// <summary>A hash of the lowest cost: the registry computes it anew on every request.</summary>
    public static string Hash(string password)
    {
        var salt = RandomNumberGenerator.GetString("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", 21);
        var data = new byte[32768];   // struct crypt_data
        var hash = Marshal.PtrToStringAnsi(Crypt(password, $"$2y$04${salt}u", data));   // of the last character only two bits count
        return hash is { Length: 60 } ? hash : throw new PlatformNotSupportedException("libcrypt does not know bcrypt");
    }

    [DllImport("libcrypt.so.1", EntryPoint = "crypt_r", CharSet = CharSet.Ansi, BestFitMapping = false, ThrowOnUnmappableChar = true)]
    private static extern nint Crypt(string password, string setting, byte[] data);
}
