"""Metrics against those of tlviz, gensim, hiclass, scikit-learn, pandas and SciPy, on random cases.

    python benchmarks/metrics_peers.py [--draws 25]

in the environment that `make bench-peers` makes. Shows the largest difference over all draws, and the arguments of the peer that
make the two comparable; a difference above 1e-8 is an error. Where definitions differ: tlviz's factor match scores take absolute
values and weights unless told otherwise, and are means over the smaller number of components; its core consistency has the whole
scale in the first mode; gensim slides windows, and its UMass adds 1e-12 to fractions; hiclass counts predictions where the class is
unknown.
"""

import argparse
import sys
import warnings

import numpy as np
import pandas as pd
import tensorly
from scipy.cluster.hierarchy import cophenet, fcluster, linkage
from scipy.optimize import linear_sum_assignment
from scipy.stats import pearsonr
from sklearn import metrics as sk
from sklearn.metrics.pairwise import cosine_similarity

import hntf

try:
    import tlviz
    from gensim.corpora import Dictionary
    from gensim.models import CoherenceModel
    from gensim.topic_coherence import direct_confirmation_measure
    from hiclass.metrics import f1
except ImportError as error:
    sys.exit(f"{error.name} is missing: pip install tlviz gensim hiclass")


TOLERANCE = 1e-8
N_WORDS = 8


# Decompositions.


def cp(rng, shape, k, *, signed=False):
    """Return positive weights and random factors of unequal column norms."""
    draw = rng.standard_normal if signed else rng.random
    return rng.random(k) + 0.5, [draw((d, k)) * (10 ** rng.uniform(-1, 1, k)) for d in shape]


def shape_of(rng):
    return tuple(rng.integers(4, 8, rng.integers(3, 5)))


def noisy(rng, model):
    X = tensorly.cp_to_tensor(model)
    return X + 0.2 * X.std() * rng.standard_normal(X.shape)


def permuted(rng, model):
    """Return a permuted, scaled, slightly different copy; the signs of two modes change, so that the tensor does not."""
    weights, factors = model
    order = rng.permutation(len(weights))
    signs = rng.choice([-1.0, 1.0], len(weights))
    scales = rng.uniform(0.5, 2.0, (len(factors), len(weights)))
    scales[:2] *= signs
    noise = [0.3 * rng.standard_normal(U.shape) * np.linalg.norm(U, axis=0) for U in factors]
    return weights[order], [((U + E) * s)[:, order] for U, E, s in zip(factors, noise, scales, strict=True)]


def factor_match(rng):
    first = cp(rng, shape_of(rng), 4, signed=True)
    second = permuted(rng, first)
    for weighted in (False, True):
        score, order = hntf.metrics.factor_match_score(first, second, weighted=weighted, return_permutation=True)
        other, permutation = tlviz.factor_tools.factor_match_score(
            first, second, consider_weights=weighted, absolute_value=False, return_permutation=True
        )
        call = f"tlviz factor_match_score(consider_weights={weighted}, absolute_value=False)"
        yield f"factor_match_score(weighted={weighted})", call, score, other
        yield "its permutation", call, order, np.array(permutation)


def fewer_components(rng):
    first = cp(rng, shape_of(rng), 4, signed=True)
    weights, factors = permuted(rng, first)
    second = weights[:3], [U[:, :3] for U in factors]
    call = "tlviz factor_match_score(allow_smaller_rank=True, …) * min(k, k') / max(k, k')"
    options = {"consider_weights": False, "absolute_value": False}
    for a, b in ((first, second), (second, first)):
        other, found = tlviz.factor_tools.factor_match_score(
            a, b, return_permutation=True, allow_smaller_rank=True, **options
        )
        score, order = hntf.metrics.factor_match_score(a, b, return_permutation=True)
        yield "factor_match_score, 4 and 3 components", call, score, other * 3 / 4
        found = [-1 if p is tlviz.factor_tools.NO_COLUMN else p for p in found][: len(order)]
        yield "its permutation, -1 for NO_COLUMN", call, order, np.array(found)


def congruence(rng):
    U, V = rng.standard_normal((6, 3)), rng.standard_normal((6, 4))
    ours = hntf.metrics.congruence(U, V)
    theirs = tlviz.factor_tools.cosine_similarity(U, V)
    best = ours[linear_sum_assignment(-ours)].mean()
    yield "congruence, mean of the best assignment", "tlviz cosine_similarity(U, V)", best, theirs
    yield "congruence", "scikit-learn cosine_similarity(U.T, V.T)", ours, cosine_similarity(U.T, V.T)


def core_consistency(rng):
    model = cp(rng, shape_of(rng), int(rng.integers(1, 4)))
    X = noisy(rng, model)
    even = tlviz.factor_tools.distribute_weights_evenly(model)
    ours, theirs = hntf.metrics.core_consistency(model, X), tlviz.model_evaluation.core_consistency(even, X)
    # Far below 0 it is of any size: differences are relative to it.
    size = max(abs(theirs), 100.0)
    call = "tlviz core_consistency(distribute_weights_evenly(model), X)"
    yield "core_consistency, relative", call, ours / size, theirs / size
    mask = rng.random(X.shape) < 0.8
    completed = np.where(mask, X, tensorly.cp_to_tensor(model))
    ours, theirs = (
        hntf.metrics.core_consistency(model, X, mask=mask),
        tlviz.model_evaluation.core_consistency(even, completed),
    )
    size = max(abs(theirs), 100.0)
    yield "core_consistency(mask=…), relative", f"{call}, X completed by the model", ours / size, theirs / size


def errors(rng):
    model = cp(rng, shape_of(rng), 3)
    X, fitted = noisy(rng, model), tensorly.cp_to_tensor(model)
    ours = hntf.metrics.relative_error(model, X)
    yield "relative_error", "sqrt(tlviz relative_sse)", ours, tlviz.model_evaluation.relative_sse(model, X) ** 0.5
    yield "1 - relative_error²", "tlviz fit", 1 - ours**2, tlviz.model_evaluation.fit(model, X)
    mask, weights = rng.random(X.shape) < 0.7, rng.random(X.shape)

    def mean_squared(w):
        of = {"sample_weight": w.ravel().astype(float)}
        return sk.mean_squared_error(X.ravel(), fitted.ravel(), **of) / sk.mean_squared_error(
            X.ravel(), 0 * X.ravel(), **of
        )

    for name, w, options in (
        ("relative_error(mask=…)", mask, {"mask": mask}),
        ("relative_error(mask=…, weights=…)", mask * weights, {"mask": mask, "weights": weights}),
    ):
        call = "scikit-learn sqrt(mean_squared_error(X, X̂, sample_weight) / mean_squared_error(X, 0, sample_weight))"
        yield name, call, hntf.metrics.relative_error(model, X, **options), mean_squared(w) ** 0.5


def explained_variance(rng):
    weights, factors = cp(rng, shape_of(rng), 3)
    X = noisy(rng, (weights, factors))
    ours = hntf.metrics.explained_variance((weights, factors), X)
    without = [(np.delete(weights, r), [np.delete(U, r, 1) for U in factors]) for r in range(3)]
    sse = tlviz.model_evaluation.sse
    theirs = np.array([sse(part, X) - sse((weights, factors), X) for part in without]) / (X**2).sum()
    yield "explained_variance", "tlviz (sse(without r) - sse(model)) / ‖X‖²", ours, theirs
    # Where one factor is that of least squares, the residual is orthogonal to every component.
    factors[-1] = np.linalg.lstsq(
        tensorly.tenalg.khatri_rao(factors[:-1]) * weights, tensorly.unfold(X, X.ndim - 1).T, rcond=None
    )[0].T
    ours = hntf.metrics.explained_variance((weights, factors), X)
    theirs = tlviz.factor_tools.percentage_variation((weights, factors), X, method="data") / 100
    yield "explained_variance of a least squares fit", 'tlviz percentage_variation(method="data") / 100', ours, theirs


def of_entries(rng):
    X = np.maximum(noisy(rng, cp(rng, shape_of(rng), 3)), 0)
    model = hntf.NCPD(3, random_state=0, max_iter=30, tol=1e-3).fit(X)
    _, factors = model.cp_tensor(0)
    fitted = tlviz.utils.cp_to_tensor((np.ones(3), [model.transform(X), *factors[1:]]))
    for mode in range(X.ndim):
        ours = hntf.metrics.leverage(model, mode=mode)
        yield "leverage", "tlviz compute_leverage(factor)", ours, tlviz.outliers.compute_leverage(factors[mode])
        sse = tlviz.outliers.compute_slabwise_sse(fitted, X, normalise=False, mode=mode)
        size = tlviz.outliers.compute_slabwise_sse(0 * X, X, normalise=False, mode=mode)
        call = "tlviz sqrt(compute_slabwise_sse(X̂, X, normalise=False) / compute_slabwise_sse(0, X, normalise=False))"
        yield "residuals", call, hntf.metrics.residuals(model, X, mode=mode), np.sqrt(sse / size)


def deviance(rng):
    X, means = rng.poisson(1.0, (6, 5)), rng.random((6, 5)) + 0.1
    theirs = sk.mean_poisson_deviance(X.ravel(), means.ravel())
    yield "poisson_deviance", "scikit-learn mean_poisson_deviance", hntf.metrics.poisson_deviance(X, means), theirs


# Topics.


def documents(rng, *, n=80, m=48, k=4):
    """Return counts of documents of one topic each, and topics some of whose heaviest words are those of others.

    Words of different topics occur together only where a document has a foreign word: many pairs never do, and each topic has one.
    """
    own = np.arange(m) % k
    X = np.zeros((n, m), int)
    for row, topic in zip(X, rng.integers(0, k, n), strict=True):
        np.add.at(row, rng.choice(np.flatnonzero(own == topic), rng.integers(4, 12)), 1)
        if rng.random() < 0.3:
            row[rng.integers(m)] += 1
    X[0, ~X.any(axis=0)] = 1  # gensim has no value for words that never occur
    H = rng.random((k, m)) * (own == np.arange(k)[:, None]) + 0.9 * rng.random((k, m)) * (rng.random((k, m)) < 0.15)
    return X, H + 1e-6 * rng.random((k, m))


def gensims(X, H, measure, *, n_words=N_WORDS, window=None, smoothing=None):
    """Return gensim's coherence by topic, in windows of whole documents."""
    words = np.array([f"w{j}" for j in range(X.shape[1])])
    texts = [list(np.repeat(words, row)) for row in X]
    topics = [list(words[np.argsort(-h, kind="stable")[:n_words]]) for h in H]
    usual = direct_confirmation_measure.EPSILON
    direct_confirmation_measure.EPSILON = usual if smoothing is None else smoothing
    try:
        model = CoherenceModel(
            topics=topics,
            texts=texts,
            dictionary=Dictionary([list(words)]),
            coherence=measure,
            topn=n_words,
            window_size=window or max(map(len, texts)),
            processes=1,
        )
        return np.array(model.get_coherence_per_topic())
    finally:
        direct_confirmation_measure.EPSILON = usual


def coherence(rng):
    X, H = documents(rng)
    whole = "window_size=longest document"
    for ours, theirs, options, call in (
        ("npmi", "c_npmi", {}, f'CoherenceModel(coherence="c_npmi", {whole})'),
        ("c_v", "c_v", {}, f'CoherenceModel(coherence="c_v", {whole})'),
        ("umass", "u_mass", {"smoothing": 1 / len(X)}, 'CoherenceModel(coherence="u_mass"), its EPSILON = 1 / n'),
    ):
        found = hntf.metrics.coherence(H, X, measure=ours, n_words=N_WORDS, per_topic=True)
        yield f"coherence({ours})", f"gensim {call}", found, gensims(X, H, theirs, **options)


# Hierarchies.


def clusters(rng):
    labels, found = rng.integers(0, 4, 60), rng.integers(0, 5, 60)
    crosstab = pd.crosstab(found, labels)
    yield (
        "purity",
        "pandas crosstab: sum of maxima / n",
        hntf.metrics.purity(labels, found),
        crosstab.max(axis=1).sum() / 60,
    )
    table = hntf.metrics.level_agreement([found], [labels])
    call = "scikit-learn v_measure_score, adjusted_rand_score"
    yield "level_agreement: nmi", call, table["nmi"][0], sk.v_measure_score(labels, found)
    yield "level_agreement: ari", call, table["ari"][0], sk.adjusted_rand_score(labels, found)


def hierarchical_f(rng):
    known, predicted = ([np.array([f"{level}.{c}" for c in rng.integers(0, 3, 40)], object) for level in range(3)]
                        for _ in range(2))  # fmt: skip
    for y, z in zip(known, predicted, strict=True):
        unknown = rng.random(40) < 0.2
        y[unknown] = z[unknown] = ""
        z[rng.random(40) < 0.1] = ""
    ours = hntf.metrics.hierarchical_f_score(*([np.where(y == "", None, y) for y in of] for of in (known, predicted)))
    theirs = f1(np.stack(known, axis=1).astype(str), np.stack(predicted, axis=1).astype(str), average="micro")
    yield "hierarchical_f_score", 'hiclass f1(average="micro"), "" for unknown', ours, theirs


def trees(rng):
    Z = [linkage(rng.random((30, 3)), "average") for _ in range(2)]
    cuts = [np.quantile(z[:, 2], [0.3, 0.6, 0.9]) for z in Z]
    levels = [[fcluster(z, t, "distance") for t in c] for z, c in zip(Z, cuts, strict=True)]
    together = [(cophenet(z)[:, None] <= c).sum(axis=1) for z, c in zip(Z, cuts, strict=True)]
    ours = hntf.metrics.tree_similarity(*levels)
    yield "tree_similarity", "SciPy pearsonr of cophenet(Z) counted at the cuts", ours, pearsonr(*together).statistic


COMPARISONS = (
    factor_match,
    fewer_components,
    congruence,
    core_consistency,
    errors,
    explained_variance,
    of_entries,
    deviance,
    coherence,
    clusters,
    hierarchical_f,
    trees,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=25)
    draws = parser.parse_args().draws
    warnings.filterwarnings("ignore", category=UserWarning)  # fits stop at max_iter
    largest: dict[tuple[str, str], float] = {}
    for compare in COMPARISONS:
        for seed in range(draws):
            for metric, peer, ours, theirs in compare(np.random.default_rng(seed)):
                gap = float(np.max(np.abs(np.asarray(ours, float) - np.asarray(theirs, float))))
                largest[metric, peer] = max(gap, largest.get((metric, peer), 0.0))
    print(f"largest difference in {draws} draws")
    for (metric, peer), gap in largest.items():
        print(f"{metric:41} {gap:7.1e}  {peer}")
    assert max(largest.values()) <= TOLERANCE, "a metric differs from its peer"


if __name__ == "__main__":
    main()
