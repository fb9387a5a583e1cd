"""Whether `hntf.gradcheck` finds bugs that are planted into right gradients, and passes the right ones.

    python benchmarks/planted_bugs.py [N]

Every kind of bug is planted into several draws, on well- and on ill-conditioned problems (condition 1e5); draws on which it changes
no entry by a thousandth are drawn again. Then `N` right gradients are checked, hard ones among them.

Goals: every bug is found on every draw; none of the right gradients fails.
"""

import argparse
import sys
import time

import numpy as np
from gradients.layer_bugs import LAYER_BUGS, planted
from gradients.other_bugs import OTHER_BUGS
from gradients.problems import ILL
from gradients.right import RIGHT

import hntf

CHANGE = 1e-3


def changes(model, bug, X):
    """Tell whether the bug changes an entry by more than a thousandth of its size."""
    codes, tape = model.forward(X)
    levels = codes if isinstance(codes, list) else [codes]
    direction = [np.cos(level + np.arange(S.size)).reshape(S.shape) for level, S in enumerate(levels)]
    d = direction if isinstance(codes, list) else direction[0]
    dX, dfactors = model.backward(tape, d)
    wrong_dX, wrong = planted(model, bug).backward(tape, d)
    pairs = zip([dX, *dfactors], [wrong_dX, *wrong], strict=True)
    return any(bool(np.any(~(abs(a - b) <= 0.9 * CHANGE * np.maximum(abs(a), abs(b))))) for a, b in pairs)


def plant(name, seed, condition):
    """Check a draw of a bug; return None if it changes nothing."""
    rng = np.random.default_rng(seed)
    if name in OTHER_BUGS:
        function, inputs, *order = OTHER_BUGS[name](rng, condition)
        return hntf.gradcheck(function, inputs, order=order[0] if order else 1)
    problem, bug = LAYER_BUGS[name]
    model, (X,) = problem(rng, condition)
    if name not in ("errors of 1e-4", "half precision") and not changes(model, bug, X):
        return None
    return hntf.gradcheck(planted(model, bug), X)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n", type=int, nargs="?", default=1000, help="number of right gradients")
    parser.add_argument("--only", default="", help="run the kinds whose names contain this text")
    parser.add_argument("--first", type=int, default=0, help="the first seed of the right gradients")
    parser.add_argument(
        "--draws", type=int, default=5, help="draws of each bug and condition; 0 for right gradients alone"
    )
    arguments = parser.parse_args()

    start, missed = time.perf_counter(), 0
    print(f"{'bug':48} {'well':>8} {f'{ILL:.0e}':>8}  missed (seed, report)", flush=True)
    for name in [name for name in (*LAYER_BUGS, *OTHER_BUGS) if arguments.only in name and arguments.draws]:
        cells, notes = [], []
        for condition in (1.0, ILL):
            caught = of = 0
            for seed in range(20 * arguments.draws):
                report = plant(name, seed, condition)
                if report is not None:
                    of += 1
                    caught += not report.ok and not report.at_kink
                    if report.ok or report.at_kink:
                        notes.append(f"{condition:.0e}, {seed}: {report}")
                if of == arguments.draws:
                    break
            cells.append(f"{caught} of {of}")
            missed += of - caught
        print(f"{name:48} {cells[0]:>8} {cells[1]:>8}  {' | '.join(notes)}", flush=True)
    print(f"missed {missed} in {time.perf_counter() - start:.0f} s\n")

    start = time.perf_counter()
    kinds = [name for name in RIGHT if arguments.only in name]
    passed, of = dict.fromkeys(kinds, 0), dict.fromkeys(kinds, 0)
    for seed in range(arguments.first, arguments.first + arguments.n if kinds else 0):
        name = kinds[seed % len(kinds)]
        function, inputs, *order = RIGHT[name](np.random.default_rng(seed))
        report = hntf.gradcheck(function, inputs, order=order[0] if order else 1)
        of[name] += 1
        passed[name] += report.ok
        if not report.ok:
            print(f"{name}, seed {seed}: {report}", flush=True)
    print("right gradients")
    for name in kinds:
        print(f"{name:48} {passed[name]} of {of[name]}")
    print(f"passed {sum(passed.values())} of {sum(of.values())} in {time.perf_counter() - start:.0f} s")
    sys.exit(bool(missed or passed != of))


if __name__ == "__main__":
    main()
