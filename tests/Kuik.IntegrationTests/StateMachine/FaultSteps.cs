using Kuik.Testing;

namespace Kuik.IntegrationTests.StateMachine;

/// <summary>The steps of a schedule that begin and end faults of servers and services; of each kind there is one at a time.</summary>
internal sealed class FaultSteps(Random random)
{
    /// <summary>The kind of the fault that Postgres is away.</summary>
    public const string Postgres = "Postgres";

    private readonly List<string> _services = [.. MachineServices.First];
    private readonly List<(string Kind, Step End)> _running = [];

    /// <summary>How many faults have begun and not ended.</summary>
    public int Running => _running.Count;

    /// <summary>Begins a fault of a kind of which there is none; null where chance chose another kind.</summary>
    public Step? BeginOne()
    {
        var (kind, begin, end) = random.Next(10) switch
        {
            0 => PostgresIsAway(),
            1 => RabbitMq(),
            2 => Cache(),
            3 => Origin(),
            4 => Collection(),
            5 or 6 => Kubernetes(),
            _ => Replica(),
        };
        if (IsRunning(kind))
            return null;
        if (end is not null)
            _running.Add((kind, end));
        return begin;
    }

    /// <summary>True while there is a fault of this kind.</summary>
    public bool IsRunning(string kind) => _running.Exists(fault => fault.Kind == kind);

    /// <summary>Starts the next second replica; null when all have been started.</summary>
    public Step? StartSecond()
    {
        if (MachineServices.Second.FirstOrDefault(name => !_services.Contains(name)) is not { } second)
            return null;
        _services.Add(second);
        return new Step($"{second} starts as well", machine => machine.Services.StartSecond(second));
    }

    /// <summary>Ends one of the faults.</summary>
    public Step EndOne()
    {
        var (kind, end) = _running[random.Next(_running.Count)];
        _running.RemoveAll(fault => fault.Kind == kind);
        return end;
    }

    /// <summary>Ends all of them.</summary>
    public IReadOnlyList<Step> EndAll() => [.. _running.Select(fault => fault.End)];

    private static (string, Step, Step?) PostgresIsAway() => (Postgres,
        new Step("Postgres is killed", machine => machine.StopPostgres()), new Step("Postgres starts", machine => machine.StartPostgres()));

    private (string, Step, Step?) RabbitMq() => random.Next(3) switch
    {
        0 => ("RabbitMQ", new Step("RabbitMQ is killed", machine => machine.RabbitMq.Stop()),
            new Step("RabbitMQ starts", machine => machine.RabbitMq.Start())),
        1 => ("RabbitMQ", new Step("RabbitMQ is killed", machine => machine.RabbitMq.Stop()),
            new Step("RabbitMQ starts without its data", machine => machine.RabbitMq.StartWithoutData(machine.Bus))),
        // Asks RabbitMQ itself, so it is of the kind that says whether that runs.
        _ => ("RabbitMQ", new Step("RabbitMQ loses its queues", machine => machine.RabbitMq.DeleteQueues(machine.Bus)), null),
    };

    private static (string, Step, Step?) Cache() => ("cache",
        new Step("the cache registry is killed", machine => machine.StopCache()),
        new Step("the cache registry starts", machine => machine.StartCache()));

    private (string, Step, Step?) Origin()
    {
        var (text, answer) = random.Next(3) switch
        {
            0 => ("answers 429", Misbehave.Answer(429, ("Retry-After", "2"))),
            1 => ("answers 503", Misbehave.Answer(503)),
            _ => ("resets every connection", Reset()),
        };
        return ("origin", Breaks(text, answer), Breaks("is as it should be", null));

        static Step Breaks(string text, Misbehaviour? answer) => new($"the origin {text}", machine =>
        {
            machine.BreakOrigin(answer);
            return Task.CompletedTask;
        });
    }

    private (string, Step, Step?) Collection() => ("collection",
        new Step("garbage collection begins", machine => machine.Upkeep.BeginCollection()),
        random.Next(3) == 0
            ? new Step("garbage collection is killed", machine =>
            {
                machine.Upkeep.KillCollection();
                return Task.CompletedTask;
            })
            : new Step("garbage collection ends", machine => machine.Upkeep.EndCollection()));

    private (string, Step, Step?) Replica()
    {
        var (name, isKilled) = (_services[random.Next(_services.Count)], random.Next(2) == 0);
        return ("service", new Step($"{(isKilled ? "kill -9 of" : "SIGTERM to")} {name}", async machine =>
        {
            if (isKilled)
                machine.Services[name].Kill();
            else if (await machine.Services[name].Stop() is var code and not (0 or 143))   // 143: before it listened for signals
                throw machine.Services[name].Service.Process.Failed($"ended with exit code {code} after SIGTERM");
        }), new Step($"{name} starts", machine => machine.Services[name].Start()));
    }

    private (string, Step, Step?) Kubernetes()
    {
        string[] resources = ["pods", "serviceaccounts", "cachedimages", "leases", "repositories", "deployments"];
        var resource = resources[random.Next(resources.Length)];
        var (name, script) = random.Next(8) switch
        {
            0 => ($"403 for {resource}", Always(request =>
                request.Resource == resource ? ScriptedAnswers.Refuse(403, "Forbidden") : null)),
            1 => ("half of the requests get 429", _ => Half()),
            2 => ($"half bodies of {resource}", Always(request =>
                request.Resource == resource ? ScriptedAnswers.BreakOffAfter(300) : null)),
            3 => ("resets", Always(_ => ScriptedAnswers.Reset())),
            4 => ("every watch expires", Always(request => request.Verb == "watch" ? ScriptedAnswers.ExpireWatch() : null)),
            5 => ("lists are old", machine => Old(machine)),
            6 => ("a list lacks most of its items", _ => Partial()),
            _ => ($"500 for {resource}", Always(request =>
                request.Resource == resource ? ScriptedAnswers.Refuse(500, "InternalError") : null)),
        };
        return ("Kubernetes", new Step($"Kubernetes: {name}", machine =>
        {
            machine.Front.Script = script(machine);
            machine.Front.EndWatches();
            return Task.CompletedTask;
        }), new Step($"Kubernetes: {name}, over", machine =>
        {
            machine.Front.Script = _ => null;
            return Task.CompletedTask;
        }));
    }

    private static Func<Machine, Func<ScriptedRequest, ScriptedAnswer?>> Always(Func<ScriptedRequest, ScriptedAnswer?> script) =>
        _ => script;

    private static Func<ScriptedRequest, ScriptedAnswer?> Half()
    {
        var count = 0;
        return _ => Interlocked.Increment(ref count) % 2 == 0
            ? ScriptedAnswers.Refuse(429, "TooManyRequests", retryAfter: TimeSpan.FromSeconds(1))
            : null;
    }

    /// <summary>Every watch expires once, and lists are as they were when this began; later watches continue from there.</summary>
    private static Func<ScriptedRequest, ScriptedAnswer?> Old(Machine machine)
    {
        var (lists, expired) = (machine.Front.Lists, new HashSet<string>());
        return request => request.Verb switch
        {
            "watch" when IsFirst(expired, request.Resource) => ScriptedAnswers.ExpireWatch(),
            "list" when lists.TryGetValue(request.Path, out var list) => KubernetesFront.Past(list),
            _ => null,
        };
    }

    /// <summary>Every watch expires once, and the list after it lacks all but the first two items; the next one is complete.</summary>
    private static Func<ScriptedRequest, ScriptedAnswer?> Partial()
    {
        var (expired, listed) = (new HashSet<string>(), new HashSet<string>());
        return request => request.Verb switch
        {
            "watch" when IsFirst(expired, request.Resource) => ScriptedAnswers.ExpireWatch(),
            "list" when request.Resource is "pods" or "deployments" or "daemonsets" && IsFirst(listed, request.Resource) =>
                KubernetesFront.Changed(items =>
                {
                    while (items.Count > 2)
                        items.RemoveAt(items.Count - 1);
                }),
            _ => null,
        };
    }

    private static Misbehaviour Reset() => (http, _) =>
    {
        http.Abort();
        return Task.CompletedTask;
    };

    private static bool IsFirst(HashSet<string> seen, string resource)
    {
        lock (seen)
            return seen.Add(resource);
    }
}
