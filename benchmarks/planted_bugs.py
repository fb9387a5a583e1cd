"""Whether `hntf.gradcheck` finds bugs that are planted into right gradients, and passes the right ones.

    python benchmarks/planted_bugs.py [N]

Every kind of bug is planted into several draws, on well- and on ill-conditioned problems (condition 1e5); draws on which it changes
no entry by a thousandth are drawn again. Then `N` right gradients are checked, hard ones among them.

Goals: every bug is found on every draw, or the report says that differences resolve too little; none of the right gradients is said
to differ, and few have no verdict because nothing of an input is resolved.
"""

import argparse
import sys
from collections import Counter
from itertools import islice

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


def outcome(report):
    """Return whether a planted bug was caught, lies where differences resolve too little, or was missed."""
    if report.verdict == "GRADIENTS DIFFER":
        return "caught"
    return "not resolved" if report.n_unresolved else "missed"


def reports_of(name, condition, draws):
    """Return the reports on the first draws that the bug changes."""
    reports = (plant(name, seed, condition) for seed in range(20 * draws))
    return list(islice((report for report in reports if report is not None), draws))


def plant_all(only, draws):
    """Print how many draws of every bug are caught; return how many are missed."""
    missed = 0
    print(f"{'caught, of ' + str(draws):48} {'well':>12} {f'{ILL:.0e}':>12}", flush=True)
    for name in [name for name in (*LAYER_BUGS, *OTHER_BUGS) if only in name]:
        cells = []
        for condition in (1.0, ILL):
            outcomes = Counter(map(outcome, reports_of(name, condition, draws)))
            missed += outcomes["missed"]
            others = "".join(f", {outcomes[word]} {word}" for word in ("not resolved", "missed") if outcomes[word])
            cells.append(f"{outcomes['caught']}{others}")
        print(f"{name:48} {cells[0]:>12} {cells[1]:>12}", flush=True)
    return missed


def pass_all(only, first, n):
    """Print how many right gradients of every kind pass; return how many have no verdict, and how many are said to differ."""
    kinds = [name for name in RIGHT if only in name]
    passed, of, verdicts = Counter(), Counter(), Counter()
    for seed in range(first, first + n if kinds else first):
        name = kinds[seed % len(kinds)]
        function, inputs, *order = RIGHT[name](np.random.default_rng(seed))
        report = hntf.gradcheck(function, inputs, order=order[0] if order else 1)
        of[name] += 1
        passed[name] += report.ok
        if not report.ok:
            verdicts["differ" if report.verdict == "GRADIENTS DIFFER" else "no verdict"] += 1
            print(f"{name}, seed {seed}: {report}", flush=True)
    print("right gradients that pass")
    for name in kinds:
        print(f"{name:48} {passed[name]} of {of[name]}")
    return verdicts["no verdict"], verdicts["differ"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("n", type=int, nargs="?", default=1000, help="number of right gradients")
    parser.add_argument("--only", default="", help="run the kinds whose names contain this text")
    parser.add_argument("--first", type=int, default=0, help="the first seed of the right gradients")
    parser.add_argument("--draws", type=int, default=5, help="draws of each bug and condition, 0 for none")
    arguments = parser.parse_args()
    missed = plant_all(arguments.only, arguments.draws) if arguments.draws else 0
    unjudged, failed = pass_all(arguments.only, arguments.first, arguments.n)
    print(
        f"{missed} bugs missed; of {arguments.n} right gradients {failed} are said to differ, {unjudged} have no verdict"
    )
    sys.exit(bool(missed or failed))


if __name__ == "__main__":
    main()
