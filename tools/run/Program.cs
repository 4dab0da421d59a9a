using Kuik.Run;
using Kuik.Testing;

// make run, make stop: a whole Kuik on this machine, shown at its main job. See StartAll, ShowMainJob and RunState.
var runState = new RunState(Path.Combine(Checkout.Root, "artifacts/run"));
try
{
    switch (args)
    {
        case ["start"]:
            if (runState.Stop())
                Console.WriteLine("what an earlier make run left running was stopped, and its data deleted");
            var started = await StartAll.Run(runState);
            runState.Remember(started);
            await ShowMainJob.Run(started);
            runState.Tell(started);
            return 0;
        case ["stop"]:
            Console.WriteLine(runState.Stop() ? "stopped, and its data deleted" : "nothing of make run is running");
            return 0;
        default:
            Console.Error.WriteLine("usage: make run, or make stop");
            return 2;
    }
}
catch (Exception e) when (e is ServerFailedException or TimeoutException)
{
    Console.Error.WriteLine($"\nmake run: {e.Message}");
    if (runState.HasStarted)
        Console.Error.WriteLine(
            "What was started goes on running, so that it can be looked at (artifacts/run/env has the addresses once all is up); make stop "
                + "ends it.");
    return 1;
}
