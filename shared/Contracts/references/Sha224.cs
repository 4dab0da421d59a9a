using System.Buffers.Binary;
using System.Numerics;
using System.Text;

namespace Kuik.Contracts;

/// <summary>SHA-224 (FIPS 180-4, section 6.3), which v1's labels need and .NET does not have.</summary>
public static class Sha224
{
    private static readonly uint[] K = [.. Primes(64).Select(prime => FractionalBits(Math.Cbrt(prime)))];

    /// <summary>The digest of a text's UTF-8 bytes, as 56 lower-case hex digits.</summary>
    public static string Hex(string text)
    {
        // 1. Pad to blocks of 64 bytes: a one bit, zeros, the length in bits.
        var bytes = Encoding.UTF8.GetBytes(text);
        var padded = new byte[(bytes.Length + 72) / 64 * 64];
        bytes.CopyTo(padded, 0);
        padded[bytes.Length] = 0x80;
        BinaryPrimitives.WriteUInt64BigEndian(padded.AsSpan(padded.Length - 8), (ulong)bytes.Length * 8);

        // 2. SHA-256's compression from SHA-224's initial values (section 5.3.2).
        uint[] state = [0xc1059ed8, 0x367cd507, 0x3070dd17, 0xf70e5939, 0xffc00b31, 0x68581511, 0x64f98fa7, 0xbefa4fa4];
        for (var block = 0; block < padded.Length; block += 64)
            Compress(state, padded.AsSpan(block, 64));

        // 3. The first seven words.
        return string.Concat(state.Take(7).Select(word => word.ToString("x8", null)));
    }

    private static void Compress(uint[] state, ReadOnlySpan<byte> block)
    {
        Span<uint> w = stackalloc uint[64];
        for (var t = 0; t < 16; t++)
            w[t] = BinaryPrimitives.ReadUInt32BigEndian(block[(t * 4)..]);
        for (var t = 16; t < 64; t++)
        {
            var s0 = BitOperations.RotateRight(w[t - 15], 7) ^ BitOperations.RotateRight(w[t - 15], 18) ^ (w[t - 15] >> 3);
            var s1 = BitOperations.RotateRight(w[t - 2], 17) ^ BitOperations.RotateRight(w[t - 2], 19) ^ (w[t - 2] >> 10);
            w[t] = w[t - 16] + s0 + w[t - 7] + s1;
        }

        var (a, b, c, d, e, f, g, h) = (state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7]);
        for (var t = 0; t < 64; t++)
        {
            var big1 = BitOperations.RotateRight(e, 6) ^ BitOperations.RotateRight(e, 11) ^ BitOperations.RotateRight(e, 25);
            var t1 = h + big1 + ((e & f) ^ (~e & g)) + K[t] + w[t];
            var big0 = BitOperations.RotateRight(a, 2) ^ BitOperations.RotateRight(a, 13) ^ BitOperations.RotateRight(a, 22);
            var t2 = big0 + ((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e, d, c, b, a) = (g, f, e, d + t1, c, b, a, t1 + t2);
        }

        uint[] sum = [a, b, c, d, e, f, g, h];
        for (var i = 0; i < 8; i++)
            state[i] += sum[i];
    }

    // The constants are the first 32 fractional bits of the cube roots of the first 64 primes (section 4.2.2); a double holds them exactly
    // enough.
    private static uint FractionalBits(double root) => (uint)((root - Math.Floor(root)) * 4294967296.0);

    private static IEnumerable<int> Primes(int count) =>
        Enumerable.Range(2, int.MaxValue - 2).Where(n => !Enumerable.Range(2, Math.Max(0, (int)Math.Sqrt(n) - 1)).Any(d => n % d == 0))
            .Take(count);
}
