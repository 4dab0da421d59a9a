using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>Queues the pods and workloads whose ServiceAccount has changed: it may lend other pull secrets.</summary>
internal sealed class AccountInformer(
    Reflector<ServiceAccount, AccountSecrets> accounts, IReadOnlyList<Reflector<Pod, LivePod>> users, WorkQueue queue)
{
    /// <summary>Follows until cancelled.</summary>
    public async Task Run(CancellationToken ct)
    {
        await accounts.FirstList.WaitAsync(ct);
        while (true)
        {
            var changeSet = await accounts.TakeChanges(ct);
            if (changeSet.Lists > 1 || !changeSet.Listed)   // nothing is recorded before the first one
                queue.Add(users.SelectMany(kind => kind.State.Values)
                    .Where(user => changeSet.Listed || changeSet.Keys.Contains(user.Account)).Select(user => user.Uid));
        }
    }
}
