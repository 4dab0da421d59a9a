namespace Kuik.Expiry.Audit;

/// <summary>A parameter of an operation, in the query of its address.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Description">One phrase for the OpenAPI document.</param>
/// <param name="Type"><c>string</c>, <c>boolean</c> or <c>integer</c>.</param>
/// <param name="IsRequired">True: a question without it is refused.</param>
internal sealed record AuditParameter(string Name, string Description, string Type = "string", bool IsRequired = false);
