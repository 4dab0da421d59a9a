using Xunit;

namespace Kuik.ClusterTests;

/// <summary>All tests share one node and one installation, one test after the other; each has images and pods of its own.</summary>
[CollectionDefinition(nameof(ClusterCollection))]
public sealed class ClusterCollection : ICollectionFixture<Cluster>;
