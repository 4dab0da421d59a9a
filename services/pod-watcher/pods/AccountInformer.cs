using Kuik.Kubernetes;

namespace Kuik.PodWatcher;

/// <summary>Queues the pods and workloads whose ServiceAccount has changed, because its pull secrets may differ.</summary>
internal sealed class AccountInformer(
    Reflector<ServiceAccount, AccountSecrets> accounts, IReadOnlyList<Reflector<Pod, LiveUser>> users, WorkQueue queue)
{
    /// <summary>Runs until cancelled.</summary>
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
