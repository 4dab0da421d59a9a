namespace Kuik.Oci;

/// <summary>A connection that <see cref="RedirectRules"/> object to. The message is the objection.</summary>
internal sealed class ForbiddenAddressException(string objection) : Exception(objection);
