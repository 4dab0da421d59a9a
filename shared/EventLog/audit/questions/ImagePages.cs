using Npgsql;

namespace Kuik.EventLog.Audit;

/// <summary>Pages of the images that the log knows, in the order of their bytes.</summary>
/// <param name="connection">Open.</param>
internal sealed class ImagePages(NpgsqlConnection connection)
{
    /// <summary>The streams of one query.</summary>
    public const int StreamsARead = 500;

    /// <summary>The references of a page.</summary>
    public async Task<IReadOnlyList<string>> Read(ImageQuestion question, CancellationToken ct)
    {
        // An image of a namespace is one of the usage table; the others have a stream only.
        var sql = question.Namespace is null
            ? "select substr(id, 7) as image from kuik.mt_streams where starts_with(id, 'image/')"
            : "select distinct image from kuik.image_users where namespace = $3";
        await using var command = new NpgsqlCommand(
            $"""select image from ({sql}) i where image collate "C" > $1 order by image collate "C" limit $2""", connection)
        {
            Parameters = { new() { Value = question.After }, new() { Value = (long)(question.Limit ?? int.MaxValue) } },
        };
        if (question.Namespace is { } space)
            command.Parameters.Add(new() { Value = space });
        var images = new List<string>();
        await using var rows = await command.ExecuteReaderAsync(ct);
        while (await rows.ReadAsync(ct))
            images.Add(rows.GetString(0));
        return images;
    }
}
