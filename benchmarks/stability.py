"""Whether the scores of `hntf.stability` tell planted components from spurious ones, and where they stop to.

    python benchmarks/stability.py

Planted parts, with one to four components more than there are: the area under the curve of the scores against whether a component
resembles a planted one (congruence of its profile above 0.8), over several draws, for every way of refitting.
"""

import warnings

import numpy as np
from sklearn.metrics import roc_auc_score

import hntf

PARTS, DRAWS, FITS, RESEMBLES = 6, 8, 10, 0.8
RESAMPLES = ("bootstrap", "fewer", "starts", "halves")


def topics(rng):
    """Return 200 documents of 60 words of mixed topics, and the topics."""
    profiles = rng.dirichlet(np.full(100, 0.05), PARTS)
    shares = rng.dirichlet(np.full(PARTS, 0.2), 200)
    return np.array([rng.multinomial(60, p) for p in shares @ profiles], float), profiles


def counts(rng):
    """Return Poisson counts of means of rank 6."""
    codes, profiles = rng.gamma(0.3, 1.0, (150, PARTS)), rng.gamma(0.3, 1.0, (PARTS, 80))
    return rng.poisson(5.0 * codes @ profiles).astype(float), profiles


def gamma(rng):
    """Return data of rank 6 with multiplicative noise, whose standard deviation is half of the value."""
    codes, profiles = rng.gamma(0.3, 1.0, (150, PARTS)), rng.gamma(0.3, 1.0, (PARTS, 80))
    return codes @ profiles * rng.gamma(4.0, 0.25, (150, 80)), profiles


DATA = {"topics": topics, "Poisson counts": counts, "gamma noise": gamma}


def area(draw, more, resample):
    """Return the area under the curve over all components of all draws."""
    scores, planted = [], []
    for seed in range(DRAWS):
        X, profiles = draw(np.random.default_rng(seed))
        model = hntf.NMF(PARTS + more, random_state=seed).fit(X)
        found = hntf.stability(model, X, n_fits=FITS, resample=resample, random_state=seed)
        congruence = hntf.metrics.congruence(model.components_[0].T, profiles.T)
        scores += list(found.components[0])
        planted += list(congruence.max(axis=1) > RESEMBLES)
    return roc_auc_score(planted, scores) if len(set(planted)) > 1 else np.nan, np.mean(planted)


def main() -> None:
    warnings.simplefilter("ignore")
    print(f"{'data':<16}{'components':>11}{'planted':>9}" + "".join(f"{name:>11}" for name in RESAMPLES))
    for name, draw in DATA.items():
        for more in (1, 2, 4):
            areas = [area(draw, more, resample) for resample in RESAMPLES]
            shares = "".join(f"{value:11.2f}" for value, _ in areas)
            print(f"{name:<16}{PARTS + more:>11}{areas[0][1]:9.2f}{shares}", flush=True)


if __name__ == "__main__":
    main()
