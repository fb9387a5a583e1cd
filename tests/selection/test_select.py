"""Planted ranks and levels are found, for every kind of data, and every argument does what it says."""

import json
import signal

import numpy as np
import pandas
import pytest
import scipy.sparse
import sparse
import torch
from sklearn.decomposition import NMF as ScikitLearnNMF

import hntf
from hntf.datasets import make_hierarchical_blocks, make_hierarchical_tensor
from hntf.selection import folds as module
from hntf.selection import from_fits, levels, runner
from hntf.selection import problem as problems
from hntf.selection.held_out import held_out_errors
from hntf.selection.problem import without_whole_slices
from hntf.topics import TopicModel

BLOCKS = make_hierarchical_blocks(random_state=0).X


def low_rank(rank=3, shape=(40, 30), noise=0.02, seed=0):
    rng = np.random.default_rng(seed)
    factors = [rng.gamma(0.5, size=(d, rank)) for d in shape]
    letters = "abcd"[: len(shape)]
    X = np.einsum(",".join(f"{c}z" for c in letters) + f"->{letters}", *factors)
    return np.maximum(X + noise * X.mean() * rng.standard_normal(shape), 0.0)


@pytest.mark.slow
def test_planted_levels_are_found_without_candidates():
    found = hntf.select_ranks(BLOCKS, random_state=0)
    assert found.best == (9, 4, 2)
    assert "4 and 2" in found.reason
    assert found.criteria["held-out"] == 9
    assert found.criteria["bic"] == 9


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.15, 1.0, 2.0])
@pytest.mark.parametrize("seed", [1])
def test_planted_levels_are_found_at_any_noise(noise, seed):
    X = make_hierarchical_blocks(random_state=seed, noise=noise).X
    assert hntf.select_ranks(X, random_state=seed).best == (9, 4, 2)


@pytest.mark.slow
def test_flat_data_have_one_level():
    found = hntf.select_ranks(low_rank(6, (80, 60)), random_state=0)
    assert found.best == (6,)
    assert "one level" in found.reason


@pytest.mark.parametrize("draw", ["random", "exponential"])
def test_noise_has_no_structure(draw):
    X = getattr(np.random.default_rng(0), draw)(size=(60, 50))
    found = hntf.select_ranks(X, range(1, 6), random_state=0)
    assert found.best is None
    assert found.reason.startswith("No structure")
    assert found.plot() is not None


def of_kind(kind, X):
    if kind == "sparse":
        return scipy.sparse.csr_matrix(np.where(np.median(X) < X, X, 0.0))
    if kind == "frame":
        return pandas.DataFrame(X)
    if kind == "torch":
        return pytest.importorskip("torch").as_tensor(X)
    return X


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["array", "frame", "torch"])
def test_kinds_of_matrices(kind):
    assert hntf.select_ranks(of_kind(kind, low_rank()), range(1, 7), hntf.NMF, random_state=0).best == 3


@pytest.mark.slow
def test_a_sparse_matrix():
    rng = np.random.default_rng(0)
    blocks = [np.outer(rng.random(30), rng.random(20)) * rng.gamma(400, 1 / 400, (30, 20)) for _ in range(4)]
    X = scipy.sparse.block_diag(blocks)
    assert hntf.select_ranks(X.tocsr(), range(1, 8), hntf.NMF, random_state=0).best == 4


@pytest.mark.slow
def test_samples_in_a_file(tmp_path):
    np.save(tmp_path / "x.npy", low_rank())
    assert hntf.select_ranks(str(tmp_path / "x.npy"), range(1, 6), hntf.NMF, random_state=0).best == 3


@pytest.mark.slow
def test_hidden_entries():
    X = low_rank()
    X[np.random.default_rng(1).random(X.shape) < 0.1] = np.nan
    assert hntf.select_ranks(X, range(1, 6), hntf.NMF, mask="nan", random_state=0).best == 3
    with pytest.raises(ValueError, match="NaN"):
        hntf.select_ranks(X, range(1, 6))


@pytest.mark.slow
def test_the_rank_of_a_tensor():
    criterion = ("held-out", "core-consistency", "stability", "bic")
    X = low_rank(3, (20, 15, 10))
    found = hntf.select_ranks(X, range(1, 6), hntf.NCPD, criterion=criterion, random_state=0)
    assert found.best == 3
    assert found.criteria["core-consistency"] >= 3
    assert found.criteria["bic"] == 3


@pytest.mark.slow
def test_a_sparse_tensor():
    rng = np.random.default_rng(0)
    factors = [rng.gamma(1.0, size=(d, 3)) * (rng.random((d, 3)) < 0.4) for d in (40, 30, 20)]
    T = np.einsum("ar,br,cr->abc", *factors)
    T = T * rng.gamma(50, 1 / 50, T.shape)
    dense, of_entries = (hntf.select_ranks(X, range(1, 6), hntf.NCPD, random_state=0) for X in (T, sparse.COO(T)))
    assert of_entries.best == dense.best == 3
    np.testing.assert_allclose(of_entries.table["held-out"][:4], dense.table["held-out"][:4], rtol=1e-3)


def test_other_criteria_of_a_sparse_tensor():
    X = sparse.COO.from_numpy(low_rank(3, (20, 15, 10)))
    assert hntf.select_ranks(X, range(1, 6), hntf.NCPD, criterion=("bic", "core-consistency")).best == 3


@pytest.mark.slow
def test_the_reference_tensor():
    X = make_hierarchical_tensor(random_state=0, noise=0.4).X
    found = hntf.select_ranks(X, [(k, 2) for k in (4, 7, 9, 10, 13)], random_state=0)
    assert 8 <= found.best[0] <= 11


@pytest.mark.slow
def test_tucker_ranks():
    rng = np.random.default_rng(0)
    X = np.einsum("abc,ia,jb,kc->ijk", rng.random((2, 2, 2)), *(rng.gamma(0.5, size=(d, 2)) for d in (20, 15, 10)))
    X = np.maximum(X + 0.05 * X.mean() * rng.standard_normal(X.shape), 0.0)
    assert hntf.select_ranks(X, [(1, 1, 1), (2, 2, 2), (3, 3, 3)], hntf.NTD, random_state=0).best == (2, 2, 2)


@pytest.mark.slow
def test_bi_cross_validation_tells_too_few_components():
    found = hntf.select_ranks(low_rank(), range(1, 7), hntf.NMF, criterion="bi-cross-validation", random_state=0)
    errors = dict(zip(found.table["rank"], found.table["bi-cross-validation"], strict=True))
    assert errors[3] < 0.1 * errors[2] < 0.1 * errors[1]
    assert found.best >= 3


@pytest.mark.parametrize("seed", range(3))
def test_the_elbow_of_exact_data_is_their_rank(seed):
    rng = np.random.default_rng(seed)
    X = rng.random((30, 1)) @ rng.random((1, 20))
    assert hntf.select_ranks(X, range(1, 5), hntf.NMF, criterion="elbow", random_state=seed).best == 1


@pytest.mark.parametrize("criterion", ["bic", "bai-ng", "elbow"])
def test_other_criteria(criterion):
    found = hntf.select_ranks(low_rank(), range(1, 7), hntf.NMF, criterion=criterion, random_state=0)
    assert found.best in ((2, 3) if criterion == "elbow" else (3,))
    assert found.reason.startswith(str(found.best))


@pytest.mark.slow
@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_matrix])
def test_counts_are_thinned(kind):
    X = np.random.default_rng(0).poisson(20 * low_rank(noise=0.0, shape=(80, 60)))
    found = hntf.select_ranks(kind(X), range(1, 6), hntf.NMF, criterion="thinning", random_state=0)
    assert found.best == 3


@pytest.mark.slow
def test_short_documents_are_thinned_with_models_that_expect_zeros():
    rng = np.random.default_rng(0)
    topics, shares = rng.dirichlet(np.full(200, 0.05), 5), rng.dirichlet(np.full(5, 0.1), 200)
    X = np.array([rng.multinomial(30, p) for p in shares @ topics])
    model = hntf.NMF(loss="kullback-leibler", solver="mu", random_state=0)
    assert hntf.select_ranks(X, [2, 4, 5, 6, 8], model, criterion="thinning", random_state=0).best == 5


def test_unstable_ranks_are_told():
    found = hntf.select_ranks(low_rank(), [2, 3, 6], hntf.NMF, criterion="stability", random_state=0)
    assert found.best == 3


@pytest.mark.slow
def test_candidates_with_levels():
    candidates = [(9, 5, 3), (9, 4, 2), (9, 4), (8, 4, 2), (10, 4, 2)]
    assert hntf.select_ranks(BLOCKS, candidates, random_state=0).best == (9, 4, 2)
    found = hntf.select_ranks(BLOCKS, [(9, 6, 3), (9, 5)], random_state=0)
    assert found.best[0] == 9
    assert "nearest" in found.reason


@pytest.mark.slow
def test_a_model_with_its_parameters():
    model = hntf.NMF(solver="hals", random_state=1)
    assert hntf.select_ranks(low_rank(), range(1, 6), model, random_state=0).best == 3
    assert model.n_components == 8
    assert hntf.select_ranks(low_rank(), range(2, 5), hntf.UnfoldedNMF, n_folds=2, random_state=0).best in (3, 4)


@pytest.mark.slow
def test_processes_find_the_same():
    one = hntf.select_ranks(low_rank(), range(1, 6), hntf.NMF, random_state=0)
    two = hntf.select_ranks(low_rank(), range(1, 6), hntf.NMF, random_state=0, n_jobs=2)
    assert one.best == two.best
    np.testing.assert_allclose(one.table["held-out"], two.table["held-out"], rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "X"), [(hntf.NMF(3), low_rank()), (hntf.NCPD(3), low_rank(shape=(12, 11, 10))), (hntf.NTD(3), BLOCKS)]
)
def test_a_fold_starts_from_the_one_before(model, X, monkeypatch):
    """That changes the time, and not what is found."""
    inits = []

    def watched(estimator, *args, original=problems.fitted, **options):
        inits.append(estimator.init)
        return original(estimator, *args, **options)

    monkeypatch.setattr(problems, "fitted", watched)
    model.set_params(random_state=0)
    problem = problems.Problem(X, None, None, X.shape, model, 0.1, 0, True)
    warm = held_out_errors(problem, 3, [0, 1, 2])
    assert [isinstance(init, str) for init in inits] == [True, False, False]
    cold = [held_out_errors(problem, 3, [fold])[0] for fold in range(3)]
    np.testing.assert_allclose(warm, cold, rtol=2e-2)
    held_out_errors(problem._replace(is_in_memory=False), 3, [0, 1])
    assert all(isinstance(init, str) for init in inits[3:])


@pytest.mark.slow
def test_a_stopped_selection_goes_on(tmp_path, monkeypatch):
    path = tmp_path / "selection.json"
    arguments = {"candidates": range(1, 6), "model": hntf.NMF, "random_state": 0}
    expected = hntf.select_ranks(low_rank(), **arguments)
    calls = []

    def counted(problem, rank, folds, original=module.held_out_errors):
        calls.append((rank, *folds))
        if len(calls) == 5:
            raise KeyboardInterrupt
        return original(problem, rank, folds)

    monkeypatch.setitem(module.PREDICTIONS, "held-out", module.Prediction(counted))
    with pytest.raises(KeyboardInterrupt):
        hntf.select_ranks(low_rank(), checkpoint=path, **arguments)
    assert len(json.loads(path.read_text())["results"]) == 4
    found = hntf.select_ranks(low_rank(), checkpoint=path, **arguments)
    assert str(found) == str(expected)
    assert len(calls) == len(set(calls)) + 1
    with pytest.raises(ValueError, match="same data"):
        hntf.select_ranks(2 * low_rank(), checkpoint=path, **arguments)
    content = json.loads(path.read_text())
    content["results"] |= dict.fromkeys(content["results"], 0.5)
    for changed in (json.dumps(content), '{"a": 1}', "[]", path.read_text()[:-9]):
        path.write_text(changed)
        with pytest.raises(ValueError, match="checkpoint must be a file of select_ranks"):
            hntf.select_ranks(low_rank(), checkpoint=path, **arguments)


@pytest.mark.slow
def test_likelihoods_below_zero_do_not_end_the_search():
    X = make_hierarchical_blocks(noise=0.0, random_state=0).X
    counts = np.random.default_rng(0).poisson(20 * X).astype(float)
    found = hntf.select_ranks(counts, model=hntf.NMF, criterion="thinning", random_state=0)
    assert found.best == 9


@pytest.mark.parametrize(
    "call",
    [
        lambda model, path: hntf.select_ranks(low_rank(), range(1, 4), model, random_state=0, checkpoint=path),
        lambda model, path: hntf.stability(model, low_rank(), n_fits=2),
        lambda model, path: hntf.compare({"a": model}, low_rank()),
    ],
    ids=["select_ranks", "stability", "compare"],
)
def test_control_c_during_a_fit_ends_the_call(call, tmp_path):
    def press(progress):
        signal.raise_signal(signal.SIGINT)

    path = tmp_path / "c.json"
    with pytest.raises(KeyboardInterrupt):
        call(hntf.NMF(2, callback=press, random_state=0), path)
    if path.exists():
        # Without components nothing is fitted.
        assert list(json.loads(path.read_text())["results"]) == ["('held-out', 0, (0, 1))"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_criterion_that_is_no_error_has_an_axis_of_its_own():
    found = hntf.select_ranks(low_rank(), range(1, 5), hntf.NMF, criterion=("bic", "elbow"))
    axes = found.plot()
    assert "bic (right axis)" in [text.get_text() for text in axes.get_legend().get_texts()]
    (line,) = axes.figure.axes[1].lines
    np.testing.assert_array_equal(line.get_ydata(), found.table["bic"])


def test_a_selection_shows_itself():
    found = hntf.select_ranks(BLOCKS, [(9, 4, 2), (8, 4, 2)], random_state=0)
    frame = found.table.to_pandas()
    assert frame["rank"].tolist() == [0, 8, 9]
    assert found.reason in str(found)
    assert "<table>" in found.table._repr_html_()
    labels = [text.get_text() for text in found.plot().get_legend().get_texts()]
    assert "recommended: (9, 4, 2)" in labels


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"candidates": "all"}, "candidates"),
        ({"candidates": 3}, "candidates"),
        ({"candidates": []}, "candidates"),
        ({"candidates": [0, 1]}, "candidates"),
        ({"candidates": [2, (3, 2)]}, "candidates"),
        ({"candidates": [(5, 3), (3, 5)]}, "fewer components at every level"),
        ({"criterion": "aic"}, "criterion"),
        ({"criterion": ("auto", "bic")}, "criterion"),
        ({"criterion": "core-consistency"}, "criterion"),
        ({"n_folds": 1}, "n_folds"),
        ({"fraction": 0.9}, "fraction"),
        ({"criterion": "thinning", "mask": "nan"}, "criterion"),
        ({"criterion": None}, "criterion"),
        ({"criterion": "thinning"}, "counts"),
        ({"criterion": "elbow", "candidates": [2, 3]}, "candidates"),
        ({"criterion": ["held-out", "elbow"], "candidates": [2, 3]}, "at least 3"),
        ({"n_jobs": 1.5}, "n_jobs"),
        ({"n_jobs": "2"}, "n_jobs"),
        ({"model": TopicModel(3)}, "hierarchy_ and the counts of words"),
        ({"candidates": [()]}, "candidates"),
        ({"model": "NMF"}, "model"),
        ({"model": ScikitLearnNMF(2)}, "model"),
        ({"checkpoint": "a.json", "random_state": None}, "random_state"),
        (
            {"checkpoint": "a.json", "random_state": 0, "model": hntf.NMF(2, random_state=np.random.default_rng(0))},
            "random_state",
        ),
        ({"checkpoint": "no/such/folder/a.json", "random_state": 0}, "checkpoint"),
    ],
)
def test_what_is_wrong_is_named(options, word):
    with pytest.raises((TypeError, ValueError), match=word):
        hntf.select_ranks(low_rank(), **options)


def test_bi_cross_validation_is_for_matrices():
    with pytest.raises(ValueError, match="order 3"):
        hntf.select_ranks(low_rank(2, (5, 5, 5)), criterion="bi-cross-validation")


def test_degenerate_data():
    for X in (np.zeros((15, 14)), np.ones((16, 15)), np.ones((1, 150)), np.eye(12)):
        found = hntf.select_ranks(X, [1, 2], hntf.NMF, random_state=0)
        assert found.best in (None, 1, 2)
        assert np.isfinite(found.table["held-out"]).all()


def test_few_entries_are_refused():
    with pytest.raises(ValueError, match="X must have"):
        hntf.select_ranks(np.ones((3, 4)), [1, 2])


def test_levels_are_those_of_the_tree(rng):
    # Two groups of three components with nearly the same codes.
    S = np.repeat(rng.random((50, 2)), 3, axis=1) + 0.05 * rng.random((50, 6))
    S[:25, :3], S[25:, 3:] = 0.0, 0.0
    A = rng.random((40, 6)) * (rng.random((40, 6)) < 0.5)
    tests = levels.tested_levels([[S, A], [S[:, ::-1], A[:, ::-1]]], 0)
    assert [r for r, test in tests.items() if test.is_level] == [2]
    assert levels.tested_levels([[S[:, :3], A[:, :3]]], 0) == {}


def test_wide_groups_of_a_tensor_are_levels(rng):
    """Their members have little in common but that members of different groups have nothing."""
    factors = [rng.random((30, 8)) * (rng.random((30, 8)) < 0.5) for _ in range(3)]
    for U in factors:
        U[:15, :4], U[15:, 4:] = 0.0, 0.0
    tests = levels.tested_levels([factors], 0)
    assert [r for r, test in tests.items() if test.is_level] == [2]


@pytest.mark.slow
@pytest.mark.parametrize("order", [2, 3])
def test_flat_components_are_called_levels_in_few_draws(order):
    found = 0
    for seed in range(25):
        rng = np.random.default_rng(seed)
        factors = [rng.gamma(0.5, size=(d, 9)) for d in (90, 87, 40)[:order]]
        found += any(test.is_level for test in levels.tested_levels([factors], seed).values())
    assert found <= 4


@pytest.mark.parametrize("order", [2, 3])
def test_groups_of_classes_that_share_no_samples_are_levels(rng, order):
    """Each sample is of one class, whose profile is partly that of its group."""
    codes = np.eye(8)[np.arange(80) % 8] * (0.5 + rng.random((80, 1)))
    profiles = [np.zeros((100, 8)) for _ in range(order - 1)]
    for A in profiles:
        for k, group in enumerate([0, 0, 0, 1, 1, 1, 2, 2]):
            A[8 * k : 8 * k + 8, k] = 1.0 + rng.random(8)
            A[64 + 12 * group : 76 + 12 * group, k] = 1.0 + 0.2 * rng.random(12)
    assert [r for r, test in levels.tested_levels([[codes, *profiles]], 0).items() if test.is_level] == [3]


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "model"), [((60, 50), hntf.NMF), ((12, 10, 8), hntf.NCPD)])
@pytest.mark.parametrize("seed", range(3))
def test_exact_data_have_their_rank(shape, model, seed):
    X = low_rank(4, shape, noise=0.0, seed=seed)
    assert hntf.select_ranks(X, [2, 3, 4, 5, 6], model, criterion="held-out", random_state=0).best == 4


@pytest.mark.parametrize("kind", ["bsr", "coo", "dia", "dok", "lil"])
def test_every_sparse_format(kind):
    X = scipy.sparse.csr_array(np.random.default_rng(0).poisson(low_rank())).asformat(kind)
    for criterion in ("thinning", "bi-cross-validation"):
        assert hntf.select_ranks(X, [1, 2], hntf.NMF, criterion=criterion, random_state=0).best in (1, 2, None)


def test_more_components_than_data_can_have_warn():
    with pytest.warns(UserWarning, match="candidates names 31 components, and data of shape .* have rank 30 at most"):
        hntf.select_ranks(low_rank(), [3, 31], hntf.NMF(3, max_iter=2), random_state=0)


def test_counts_that_tell_nothing():
    assert hntf.select_ranks(np.zeros((20, 20)), [1, 2], hntf.NMF, criterion="thinning", random_state=0).best is None
    with pytest.raises(ValueError, match="below 2"):
        hntf.select_ranks(1e30 * np.ones((20, 20)), [1, 2], hntf.NMF, criterion="thinning")


def test_observed_entries_are_counted():
    with pytest.raises(ValueError, match="observed entries to hide some"):
        hntf.select_ranks(np.ones((60, 50)), [1, 2], mask=np.arange(3000).reshape(60, 50) < 25)
    with pytest.raises(ValueError, match="fraction must hide at least 10 of the 3000 observed entries, got 1e-09"):
        hntf.select_ranks(np.ones((60, 50)), [1, 2], fraction=1e-9)
    with pytest.raises(TypeError, match="X must be an array of real numbers, got None"):
        hntf.select_ranks(None)
    with pytest.raises(ValueError, match="2 samples and features"):
        hntf.select_ranks(np.ones((1, 500)), [1, 2], hntf.NMF, criterion="bi-cross-validation")


@pytest.mark.parametrize("unit", [1e-4, 1.0, 100.0])
def test_criteria_do_not_depend_on_the_unit_of_weights(unit):
    weights = np.full(BLOCKS.shape, unit).tolist()
    found = hntf.select_ranks(BLOCKS, [8, 9, 10], hntf.NMF, criterion=("bic", "bai-ng"), weights=weights)
    assert found.best == 9
    assert "bai-ng agrees" in found.reason


def test_what_was_not_computed_does_not_agree():
    noise = np.random.default_rng(0).random((14, 13, 12))
    reason = hntf.select_ranks(noise, [(1, 1, 1), (2, 2, 2)], hntf.NTD, random_state=0).reason
    assert "agree" not in reason
    assert "elbow" not in hntf.select_ranks(noise[0], [1, 2], hntf.NMF, random_state=0).reason


def test_components_that_are_alike_are_no_levels():
    assert not any(test.is_level for test in levels.tested_levels([[np.ones((9, 5)), np.ones((8, 5))]], 0).values())


@pytest.mark.slow
def test_the_flat_method_of_scikit_learn_finds_the_same_error():
    X = low_rank(noise=0.0)
    found = hntf.select_ranks(X, [3], hntf.NMF(3, tol=1e-6, max_iter=1000, random_state=0), n_folds=2, random_state=0)
    theirs = ScikitLearnNMF(3, init="nndsvda", max_iter=1000, tol=1e-8).fit(X).reconstruction_err_ / np.linalg.norm(X)
    assert found.table["error"][-1] <= theirs + 1e-3


def test_information_criteria_count_what_is_observed():
    rng = np.random.default_rng(0)
    X = np.maximum(rng.gamma(1, size=(60, 3)) @ rng.gamma(1, size=(3, 40)) + 0.5 * rng.standard_normal((60, 40)), 0)
    observed = rng.random(X.shape) < 0.4
    assert hntf.select_ranks(X, range(1, 8), hntf.NMF, mask=observed, criterion="bic", random_state=0).best == 3


@pytest.mark.slow
def test_criteria_of_fits_without_candidates():
    X = low_rank(9, (80, 60))
    assert hntf.select_ranks(X, "auto", hntf.NMF, criterion="bic", random_state=0).best == 9


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1e-200, 1e-150, 1e160])
@pytest.mark.parametrize("kind", ["dense", "sparse", "blocks", "sparse tensor"])
def test_units_do_not_matter(scale, kind):
    X, model = (low_rank(), hntf.NMF) if kind != "sparse tensor" else (low_rank(shape=(12, 11, 10)), hntf.NCPD)

    def given(X):
        return {
            "dense": lambda: X,
            "sparse": lambda: scipy.sparse.csr_array(X),
            "blocks": lambda: [X[:10], X[10:]],
            "sparse tensor": lambda: (np.stack(np.nonzero(X)), X[np.nonzero(X)], X.shape),
        }[kind]()

    found = hntf.select_ranks(given(scale * X), range(1, 5), model, random_state=0)
    expected = hntf.select_ranks(given(X), range(1, 5), model, random_state=0)
    assert found.criteria == expected.criteria
    np.testing.assert_allclose(found.table["held-out"], expected.table["held-out"], rtol=1e-5)


def test_the_penalty_of_more_components_than_the_rank_of_the_data_grows():
    values = from_fits.bic(dict.fromkeys([2, 5, 8, 20, 100], 0.5), (20, 8), 160)
    assert sorted(values, key=values.__getitem__) == [2, 5, 8, 20, 100]


def test_tuples_of_one_number_are_numbers_for_a_single_level():
    found = hntf.select_ranks(low_rank(), [(2,), (3,), (4,)], hntf.NMF, criterion=["bic", "bic"], random_state=0)
    assert (found.best, list(found.criteria)) == (3, ["bic"])


def kinds_of(*arrays):
    return [(type(x).__name__, float(np.sum(x))) for x in arrays]


@pytest.mark.slow
def test_large_arrays_are_arrays_in_processes_and_files_stay_files(tmp_path):
    large, file = np.ones((500, 400)), tmp_path / "X.npy"
    np.save(file, large)
    calls = [(large, np.load(file, mmap_mode="r"))] * 2
    for kinds in runner.in_processes(2, kinds_of, calls):
        assert kinds == [("ndarray", 200_000), ("memmap", 200_000)]


@pytest.mark.parametrize("criterion", ["bi-cross-validation", "thinning"])
@pytest.mark.parametrize("kind", ["frame", "torch"])
def test_containers_that_are_cut(criterion, kind):
    X = np.random.default_rng(0).poisson(20 * low_rank(noise=0.0))
    found = hntf.select_ranks(of_kind(kind, X), [1, 2, 3], hntf.NMF, criterion=criterion, random_state=0)
    assert found.best == 3
    with pytest.raises(ValueError, match="criterion"):
        hntf.select_ranks([X[:20], X[20:]], [1, 2], hntf.NMF, criterion=criterion)


def test_data_of_any_sign():
    rng = np.random.default_rng(0)
    X = rng.random((40, 3)) @ rng.standard_normal((3, 30)) + 0.02 * rng.standard_normal((40, 30))
    assert hntf.select_ranks(X, [2, 3, 4], hntf.DeepSemiNMF(), criterion="held-out", random_state=0).best in (3, 4)


@pytest.mark.slow
def test_levels_of_tucker_ranks():
    X = low_rank(2, (12, 8, 7))
    for model in (None, hntf.NeuralNTF(max_iter=20)):
        found = hntf.select_ranks(X, [((2, 2),), ((3, 3), (2, 2))], model, n_folds=2, random_state=0)
        assert found.best in (((2, 2),), ((3, 3), (2, 2)))
    with pytest.raises(ValueError, match="criterion"):
        hntf.select_ranks(X, [(2, 2, 2), (3, 2, 2)], hntf.NTD, criterion="bic")
    with pytest.raises(ValueError, match="model"):
        hntf.select_ranks(X, [2, 3], hntf.NMF)


def test_another_model_does_not_take_the_results(tmp_path):
    A = np.random.default_rng(1).random((60, 60))
    X = low_rank(2, (60, 60))
    options = {"criterion": "bic", "random_state": 0, "checkpoint": tmp_path / "c.json"}
    hntf.select_ranks(X, [60], hntf.NMF(60, init=[A], max_iter=2), **options)
    A = A.copy()
    A[30, 30] += 5
    with pytest.raises(ValueError, match="same data, model"):
        hntf.select_ranks(X, [60], hntf.NMF(60, init=[A], max_iter=2), **options)


def test_the_reason_goes_with_what_is_recommended():
    found = hntf.select_ranks(low_rank(), [(3, 2)], random_state=0)
    assert found.best == (3, 2)
    assert "too few" in found.reason
    assert "nearest" in found.reason


def test_pictures_name_what_their_axes_measure():
    rng = np.random.default_rng(0)
    counts = hntf.select_ranks(
        rng.poisson(5 * low_rank(noise=0.0)), [1, 2, 3], hntf.NMF, criterion="thinning", random_state=0
    )
    assert "likelihood" in counts.plot().get_ylabel()
    X = np.einsum("ir,jr,kr->ijk", *(rng.random((6, 2)) for _ in range(3))) + 0.05 * rng.random((6, 6, 6))
    tensor = hntf.select_ranks(X, [1, 2, 5], hntf.NCPD, criterion=["core-consistency", "elbow"], random_state=0)
    left, right = tensor.plot().figure.axes
    assert left.get_ylabel() == "relative error"
    assert right.get_ylabel().startswith("core consistency")
    assert right.get_ylim()[0] > -110


def topics_as_counts(seed, n_topics, of_documents, of_words):
    """Return counts of 150 documents of 200 words about sharp topics, of which many words are seldom or never seen."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(n_topics, of_documents), 150) @ rng.dirichlet(np.full(100, of_words), n_topics)
    return np.array([rng.multinomial(200, row) for row in shares])


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 8])
@pytest.mark.parametrize("drawn", [(12, 0.1, 0.05), (8, 0.05, 0.02)])
def test_a_search_is_not_ended_by_fits_that_go_astray(drawn, seed):
    """Below the true number, errors of hidden counts are anything between .5 and 100 times those of the mean: it ended at six."""
    found = hntf.select_ranks(topics_as_counts(seed, *drawn), model=hntf.NMF, criterion="held-out", random_state=0)
    assert found.best == drawn[0]


@pytest.mark.slow
@pytest.mark.parametrize("offset", [0, 300, 1e4])
def test_an_offset_hides_nothing(offset):
    """What counts as exact is relative to the error of the mean, not to entries such as temperatures in kelvin."""
    found = hntf.select_ranks(
        offset + low_rank(4, noise=0.0), range(1, 8), hntf.NMF, criterion=("held-out", "bic"), random_state=0
    )
    assert set(found.criteria.values()) == {4 + (offset > 0)}


def test_errors_of_constant_data_say_that_there_is_no_structure():
    found = hntf.select_ranks(np.full((20, 12), 7.3), range(1, 4), hntf.NMF, criterion="held-out", random_state=0)
    assert found.best is None
    assert "1 to 3" in found.reason


def test_bi_cross_validation_of_profiles_of_any_sign(rng):
    X = rng.gamma(0.5, size=(80, 3)) @ rng.normal(size=(3, 50)) + 0.1 * rng.normal(size=(80, 50))
    found = hntf.select_ranks(X, range(1, 6), hntf.DeepSemiNMF, criterion="bi-cross-validation", random_state=0)
    assert min(found.table["bi-cross-validation"][3:]) < 0.05


def test_thinning_refuses_models_of_any_sign(rng):
    with pytest.raises(ValueError, match="criterion must be another than 'thinning'"):
        hntf.select_ranks(rng.poisson(3, (20, 10)), [1, 2], hntf.DeepSemiNMF, criterion="thinning")


@pytest.mark.slow
def test_criteria_of_fits_that_are_exact(rng):
    """They compared how soon fits stop."""
    X = rng.gamma(0.5, size=(60, 4)) @ rng.gamma(0.5, size=(4, 40))
    found = hntf.select_ranks(X, range(1, 9), hntf.NMF, random_state=0)
    assert set(found.criteria.values()) == {4}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dense", "sparse", "blocks"])
def test_divergences_of_held_out_counts(kind):
    """Models of least divergence were scored by squared errors."""
    rng = np.random.default_rng(1)
    shares = rng.dirichlet(np.full(4, 0.1), 80) @ rng.dirichlet(np.full(50, 0.1), 4)
    counts = np.array([rng.multinomial(60, row) for row in shares]).astype(float)
    X = {"dense": counts, "sparse": scipy.sparse.csr_array(counts), "blocks": [counts[:30], counts[30:]]}[kind]
    model = hntf.NMF(loss="kullback-leibler", solver="mu", max_iter=300, random_state=0)
    found = hntf.select_ranks(X, range(1, 7), model, criterion="held-out", random_state=0)
    assert found.best == 4
    mask = hntf.HoldOut(0.1, 5)
    problem = problems.Problem(X, None, None, counts.shape, model, 0.1, 5, kind != "blocks")
    fit = problem.fitted(2, mask=mask)
    seen = mask.of_shape(counts.shape)
    mean = counts[seen].mean()
    share = min(0.01, 0.01 / mean)
    expected = (1 - share) * fit.codes_[0] @ fit.components_[0] + share * mean
    of_mean, of_model = (
        hntf.metrics.poisson_deviance(counts, rates, mask=~seen) * (~seen).sum() / 2 / counts[~seen].sum()
        for rates in (np.full(counts.shape, mean), expected)
    )
    np.testing.assert_allclose(held_out_errors(problem, 0, [0]), of_mean, rtol=1e-10)
    np.testing.assert_allclose(held_out_errors(problem, 2, [0]), of_model, rtol=1e-6)


class TestWhatIsSaid:
    NOISE = np.random.default_rng(0).random((80, 60))

    @pytest.mark.parametrize("first", ["stability", "bic", "elbow"])
    def test_a_second_criterion_that_finds_no_structure_is_named(self, first):
        found = hntf.select_ranks(self.NOISE, range(1, 5), criterion=(first, "held-out"), random_state=0)
        assert found.criteria["held-out"] is None
        assert "Criteria disagree: held-out says no structure." in found.reason
        assert f"by {first}, of 1 to 4 that were tried." in found.reason

    def test_without_structure_only_criteria_that_can_say_so_disagree(self):
        reason = hntf.select_ranks(
            self.NOISE, range(1, 4), criterion=("held-out", "bic", "bai-ng"), random_state=0
        ).reason
        assert reason.endswith("Criteria that do not predict name a number of any data: bic says 1, bai-ng says 1.")
        assert "disagree" not in reason

    def test_the_largest_number_is_named_by_itself(self):
        X = make_hierarchical_blocks(random_state=0).X
        found = hntf.select_ranks(X, [1, 2, 4, 6], hntf.NMF, random_state=0)
        assert "6 is the largest that was tried: more may predict better." in found.reason

    def test_a_tuple_of_levels_is_no_hierarchy(self):
        with pytest.warns(UserWarning, match=r"the hierarchy \(3, 2\) is \[\(3, 2\)\]"):
            assert hntf.select_ranks(low_rank(), (3, 2), random_state=0).best == 3

    def test_a_criterion_that_finds_none_is_named(self):
        T = make_hierarchical_tensor(noise=0.1, random_state=0).X[::2, ::2, ::2]
        found = hntf.select_ranks(T, [6, 9], hntf.NCPD, criterion=("held-out", "core-consistency"), random_state=0)
        assert found.criteria["core-consistency"] is None
        assert "core-consistency says none" in found.reason

    def test_the_largest_number_that_was_tried_is_named_as_such(self):
        X = make_hierarchical_blocks(random_state=0).X
        reason = hntf.select_ranks(X, [1, 2, 3], criterion="bic", random_state=0).reason
        assert reason.startswith(
            "3 components, by bic, of 1 to 3 that were tried. 3 is the largest: more may be better."
        )

    @pytest.mark.slow
    def test_better_than_the_mean_but_not_by_a_standard_error(self):
        """The sentence is that of the table."""
        said = []
        for seed in range(30):
            rng = np.random.default_rng(seed)
            X = 1.0 + 0.35 * np.outer(rng.random(12), rng.random(12)) + rng.random((12, 12))
            found = hntf.select_ranks(X, [1, 2], hntf.NMF, random_state=seed)
            errors = found.table["held-out"]
            if found.best is None:
                said.append("by less than one standard error" in found.reason)
                assert said[-1] == (min(errors[1:]) < errors[0])
        assert 0 < sum(said) < len(said)

    @pytest.mark.slow
    def test_exact_data_have_no_more_components(self, rng):
        """Where one number predicts exactly, larger ones cannot predict better, and are not tried."""
        X = rng.random((60, 5)) @ rng.random((5, 40))
        found = hntf.select_ranks(X, model=hntf.NMF, random_state=0)
        assert found.best in (5, 6)
        assert max(found.table["rank"]) == 6
        assert "more may predict better" not in found.reason


@pytest.mark.slow
def test_numbers_that_were_dropped_are_compared_in_the_folds_that_they_share():
    """Their errors are above the lowest in the table and in pictures, as they are in every fold that they have."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.poisson(rng.gamma(0.5, 1.0, (60, 4)) @ rng.gamma(0.5, 1.0, (4, 40))).astype(float)
        found = hntf.select_ranks(X, range(1, 9), hntf.NMF, random_state=seed)
        table = found.table
        lowest = min(table["held-out"][1:])
        most = max(table["held-out folds"])
        assert all(
            n == most for n, error in zip(table["held-out folds"], table["held-out"], strict=True) if error == lowest
        )


@pytest.mark.parametrize("features", [2, 3])
def test_few_features_are_never_hidden_whole(features):
    """A sample of which nothing is seen would be predicted as zero, whatever the number of components."""
    X = np.outer(np.linspace(1, 2, 60), np.arange(1.0, features + 1))
    for seed in range(6):
        assert hntf.select_ranks(X, [1], hntf.NMF, random_state=seed).best == 1


@pytest.mark.parametrize("as_given", [np.asarray, torch.tensor])
def test_hold_outs_of_small_data_hide_no_slice(as_given):
    mask = without_whole_slices(np.zeros((3, 4, 2), bool))
    assert mask.all()
    assert not without_whole_slices(np.array([[True, False, False]]))[0, 1:].any()
    X = as_given(np.random.default_rng(0).random((40, 3)))
    found = hntf.select_ranks(X, [1, 2], hntf.NMF, random_state=0)
    assert np.isfinite(found.table["held-out"]).all()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"X": np.ones((60, 2)), "criterion": "elbow"}, "X must have rank 3 at least for the elbow"),
        (
            {"candidates": [(9, 4), (9, 3), (9, 2)], "criterion": "elbow"},
            "at least 3 numbers of components of the finest",
        ),
        ({"candidates": [(9, 4), (9, 3)], "criterion": ("held-out", "elbow")}, "at least 3 numbers of components"),
        ({"candidates": [(9, 4), (6, 3)], "model": hntf.NMF}, "candidates must be numbers of components for NMF"),
        ({"candidates": [(9, 4), (6, 3)], "model": hntf.SSNMF()}, "candidates must be numbers of components for SSNMF"),
        ({"checkpoint": 5, "candidates": [1]}, "checkpoint must be the path of a file, got 5"),
        ({"checkpoint": b"x", "candidates": [1]}, "checkpoint must be the path of a file"),
    ],
)
def test_what_cannot_be_selected_is_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        hntf.select_ranks(**{"X": np.random.default_rng(0).random((30, 20)), "random_state": 0, **arguments})


@pytest.mark.parametrize(("seed", "criterion"), [(52, "held-out"), (72, "bi-cross-validation")])
@pytest.mark.slow
def test_what_was_dropped_comes_back_where_the_others_go_astray(seed, criterion):
    """Of few counts two folds say little: no number in the table is better than the lowest of the sentence."""
    rng = np.random.default_rng(seed)
    n, m, rank = (int(rng.integers(*bounds)) for bounds in ((8, 40), (3, 25), (1, 5)))
    means = 0.5 * rng.exponential(size=(n, rank)) @ rng.exponential(size=(rank, m))
    found = hntf.select_ranks(rng.poisson(means), model=hntf.NMF, criterion=criterion, random_state=seed)
    assert found.best == 1
    table, folds = found.table[criterion], found.table[f"{criterion} folds"]
    assert folds[table.index(min(table))] == max(folds)


def skewed(seed):
    """Return a small matrix of rank 1 with multiplicative noise, whose first two folds tell little."""
    rng = np.random.default_rng(seed)
    X = rng.gamma(0.7, 1, (30, 1)) @ rng.gamma(0.7, 1, (1, 20))
    return X * rng.gamma(4, 0.25, X.shape)


@pytest.mark.parametrize("n_folds", [5, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    ("draw", "seed", "candidates"),
    [(106, 6, [1, 2]), pytest.param(103, 3, [1, 2, 3, 10, 12, 14], marks=pytest.mark.slow)],
)
def test_smaller_numbers_come_back_where_two_folds_do_not_tell(draw, seed, candidates, n_folds):
    found = hntf.select_ranks(skewed(draw), candidates, hntf.NMF, random_state=seed, n_folds=n_folds)
    assert found.best == 1
    assert found.table["held-out folds"][1] == n_folds


@pytest.mark.slow
def test_no_more_parameters_than_entries():
    """A model that can have any entries is never recommended for what it predicts."""
    found = hntf.select_ranks(skewed(103), random_state=3)
    assert found.best == (1,)
    assert max(found.table["rank"]) == 14  # 14 * (30 + 20 - 14) parameters, 540 entries


@pytest.mark.parametrize(
    ("shape", "largest"),
    [
        ((30, 20), 15),
        ((90, 87), 60),
        ((50, 3), 2),
        ((50, 2), 1),
        ((50, 1), 1),
        ((6, 5, 4), 8),
        ((10**6, 10**5, 10**4), 810812271),
    ],
)
def test_the_largest_number_that_predicts(shape, largest):
    problem = problems.Problem(None, None, None, shape, hntf.NMF(), 0.1, 0, True)
    assert problem.largest_predicted == largest


@pytest.mark.slow
def test_reason_and_table_agree():
    """What is recommended exceeds the lowest by no more than its standard error, and nothing smaller does so."""
    for seed in range(4):
        found = hntf.select_ranks(skewed(100 + seed), [1, 2, 3, 4], hntf.NMF, random_state=seed)
        table = found.table
        errors, bars = (np.array(table[name]) for name in ("held-out", "held-out standard error"))
        near = np.array(table["rank"])[np.log(errors / errors.min()) <= bars / errors + 1e-9]
        complete = np.array(table["held-out folds"]) == 5
        near = [rank for rank in near if complete[table["rank"].index(rank)]]
        assert (found.best or 0) == min(near)
