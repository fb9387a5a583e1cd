"""The four models of semi-supervised NMF against the `ssnmf` package of the models' authors: same start, same updates, same cost.

    make bench-peers

which runs this file in an environment of its own, where that package is installed. Both take 50 multiplicative updates. The
order of updates differs, theirs updates the factor of the data first, so that what is compared is the cost they reach; and the
time they take.
"""

import numpy as np
from ssnmf import SSNMF
from timing import seconds

import hntf
from hntf.costs.kullback_leibler import DIVERGENCES
from hntf.fitting.loop import advance
from hntf.fitting.updates.joint import JointUpdates

UPDATES, WEIGHT = 50, 0.5
MODELS = {
    3: ("frobenius", "frobenius"),
    4: ("frobenius", "kullback-leibler"),
    5: ("kullback-leibler", "frobenius"),
    6: ("kullback-leibler", "kullback-leibler"),
}
"""Numbers of the models in that package: the terms of the data and of the labels."""


def main() -> None:
    rng = np.random.default_rng(0)
    n, m, k, p = 400, 120, 8, 4
    X, Y = rng.random((n, m)), np.eye(p)[rng.integers(0, p, n)]
    S, A, B = rng.random((n, k)), rng.random((m, k)), rng.random((p, k))
    for number, kinds in MODELS.items():

        def theirs(number=number):
            model = SSNMF(X.T, k, Y=Y.T, A=A.copy(), S=S.T.copy(), B=B.copy(), lam=WEIGHT, modelNum=number)
            model.mult(numiters=UPDATES)
            return model

        def ours(kinds=kinds):
            # Their squared errors have no half.
            terms = [DIVERGENCES[kind](hntf.as_data(Z), weight * (2.0 if kind == "frobenius" else 1.0))
                     for kind, Z, weight in zip(kinds, (X, Y), (1.0, WEIGHT), strict=True)]  # fmt: skip
            found = JointUpdates.of_terms(terms, S, [A, B], solver="mu")
            advance(found, max_iter=UPDATES, tol=-1.0)
            return terms, found

        other = theirs()
        terms, found = ours()
        reached = sum(term.value(other.S.T, U) for term, U in zip(terms, (other.A, other.B), strict=True))
        slow, fast = seconds(theirs, ours)
        print(f"{' + '.join(kinds):36} cost {found.cost:.3f}, theirs {reached:.3f}; {slow / fast:.1f} times faster")


if __name__ == "__main__":
    main()
