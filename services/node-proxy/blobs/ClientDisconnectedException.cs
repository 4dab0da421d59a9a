namespace Kuik.NodeProxy;

/// <summary>
/// The client has disconnected in the middle of a body. Kestrel accepts later writes and drops them, and says with <c>RequestAborted</c>
/// only when a thread is free to: a hundred clients that leave at once would have their blobs read to the end by all threads there are.
/// </summary>
internal sealed class ClientDisconnectedException() : OperationCanceledException("the client has left");
