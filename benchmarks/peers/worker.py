"""Solve the problem of a file with one peer as often as it is told to.

    python benchmarks/peers/worker.py on_jax|on_torch PEER PROBLEM CORES

It first prints how many of the right-hand sides it takes: all, or a sixteenth if a pass over all takes long. It then reads
requests, one a line, and answers each by a line of JSON; it ends if a request takes longer than `LIMIT`.
"""

import json
import os
import signal
import sys
import time

LONGEST = 8.0
"""Seconds of the longest pass, forward and backward; a benchmark of one peer on one problem makes about seven."""

LIMIT = 200


def main() -> None:
    framework, peer, path, cores = sys.argv[1:]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    answers = os.fdopen(os.dup(1), "w")
    # What the libraries print is no answer.
    os.dup2(2, 1)
    signal.alarm(LIMIT)

    from importlib import import_module

    import numpy as np

    problem = np.load(path)
    rows = problem["X"].shape[1]
    some = max(1, rows // 16)

    def layer(rows):
        made = import_module(framework).Layer(
            peer, problem["X"][:, :rows], problem["A"], problem["D"][:, :rows], problem["U"][:, :rows], problem["W"]
        )
        made.backward()
        return made

    solver = layer(some)
    start = time.perf_counter()
    solver.forward()
    solver.backward()
    if (time.perf_counter() - start) * rows / some < LONGEST:
        some = rows
        solver = layer(rows)
    print(json.dumps(some), file=answers, flush=True)
    for line in sys.stdin:
        signal.alarm(LIMIT)
        request, *target = line.split()
        arrays = getattr(solver, request)()
        if target:
            np.savez(target[0], *arrays)
        signal.alarm(0)
        print(json.dumps(None), file=answers, flush=True)


if __name__ == "__main__":
    main()
