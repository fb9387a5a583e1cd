"""Samples in parts: wherever they are and however many parts there are, a fit finds what it finds in memory."""

import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import dask.array
import numpy as np
import pandas
import pytest
import scipy.sparse
import sparse
import torch
import xarray
import zarr
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

import hntf
from hntf.datasets import make_hierarchical_blocks, make_hierarchical_tensor
from hntf.fitting.parts import sources
from hntf.fitting.parts.blocks import digest_of

MATRIX = make_hierarchical_blocks(random_state=0).X[::2]
TENSOR = make_hierarchical_tensor(noise=0.1, random_state=0).X[::2, ::2, ::4]
LABELS = np.where(np.arange(len(MATRIX)) % 4 == 3, -1, np.arange(len(MATRIX)) % 3)

METHODS = {
    "NMF": (hntf.NMF(4, random_state=0), MATRIX, None),
    "NMF hals": (hntf.NMF(4, solver="hals", random_state=0), MATRIX, None),
    "NMF kl": (hntf.NMF(4, solver="mu", loss="kullback-leibler", max_iter=10, random_state=0), MATRIX, None),
    "NMF penalties": (hntf.NMF(4, code_l1=0.1, factor_l2=0.1, random_state=0), MATRIX, None),
    "SSNMF": (hntf.SSNMF(4, random_state=0), MATRIX, LABELS),
    "HierarchicalNMF": (hntf.HierarchicalNMF((4, 2), random_state=0), MATRIX, LABELS),
    "NeuralNMF": (hntf.NeuralNMF((4, 2), random_state=0), MATRIX, None),
    "NeuralNMF labels": (hntf.NeuralNMF((4, 2), max_iter=20, random_state=0), MATRIX, LABELS),
    "NeuralNMF cross-entropy": (
        hntf.NeuralNMF((4, 2), supervision_loss="cross_entropy", max_iter=20, random_state=0),
        MATRIX,
        LABELS,
    ),
    "NeuralNMF penalties": (
        hntf.NeuralNMF((4, 2), code_l1=0.1, simplex=True, volume_weight=0.1, max_iter=20, random_state=0),
        MATRIX,
        None,
    ),
    "NCPD": (hntf.NCPD(3, random_state=0), TENSOR, None),
    "NCPD hals": (hntf.NCPD(3, solver="hals", random_state=0), TENSOR, None),
    "NeuralNTF": (hntf.NeuralNTF((3, 2), random_state=0), TENSOR, None),
    "NeuralNTF Tucker": (hntf.NeuralNTF(((3, 3), (2, 2)), random_state=0), TENSOR, None),
}


class Again:
    """Blocks that can be read again."""

    def __init__(self, blocks):
        self.blocks = blocks

    def __iter__(self):
        return iter(self.blocks)


def in_parts(kind, X, n_parts, path):
    """Return the data as users have them outside of memory."""
    size = -(-len(X) // n_parts)
    blocks = [X[start : start + size] for start in range(0, len(X), size)]
    if kind == "path":
        np.save(path / "x.npy", X)
        return str(path / "x.npy")
    if kind == "memmap":
        np.save(path / "x.npy", X)
        return np.load(path / "x.npy", mmap_mode="r")
    if kind == "part of a memmap":
        np.save(path / "x.npy", np.concatenate([X[:1], X]))
        return np.load(path / "x.npy", mmap_mode="r")[1:]
    if kind == "zarr":
        store = zarr.create_array(path / "x.zarr", shape=X.shape, chunks=(size, *X.shape[1:]), dtype=X.dtype)
        store[:] = X
        return store
    if kind == "zarr path":
        in_parts("zarr", X, n_parts, path)
        return path / "x.zarr"
    if kind == "npz":
        for i, block in enumerate(blocks):
            scipy.sparse.save_npz(path / f"{i:03}.npz", scipy.sparse.csr_array(block))
        return path
    if kind == "dask sparse":
        return dask.array.from_array(X, chunks=(size, *X.shape[1:])).map_blocks(scipy.sparse.csr_matrix)
    return {
        "list": lambda: blocks,
        "iterable": lambda: Again(blocks),
        "sparse blocks": lambda: [scipy.sparse.csr_array(block) for block in blocks],
        "dask": lambda: dask.array.from_array(X, chunks=(size, *[-(-d // 2) for d in X.shape[1:]])),
    }[kind]()


def fitted(model, X, y=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return clone(model).fit(X, **({} if y is None else {"y": y}), **options)


def assert_same(model, expected, rtol=1e-6):
    np.testing.assert_allclose(model.reconstruction_err_, expected.reconstruction_err_, rtol=rtol)
    assert abs(model.n_iter_ - expected.n_iter_) <= 3
    for codes, of_expected in zip(model.codes_, expected.codes_, strict=True):
        scale = np.abs(of_expected).max()
        np.testing.assert_allclose(np.asarray(codes), of_expected, atol=5e-3 * scale)


@pytest.fixture(scope="module")
def in_memory():
    """Return what every method finds in memory, fitted when it is first asked for."""
    found = {}

    def of(name):
        if name not in found:
            model, X, y = METHODS[name]
            found[name] = fitted(model, X, y)
        return found[name]

    return of


@pytest.mark.parametrize("n_parts", [1, 3, 7])
@pytest.mark.parametrize("name", METHODS)
def test_any_number_of_parts(name, n_parts, in_memory):
    model, X, y = METHODS[name]
    size = -(-len(X) // n_parts)
    given = Again([X[start : start + size] for start in range(0, len(X), size)])
    assert_same(fitted(model, given, y), in_memory(name))


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    ["path", "memmap", "part of a memmap", "zarr", "zarr path", "npz", "list", "sparse blocks", "dask", "dask sparse"],
)
@pytest.mark.parametrize("name", ["NMF", "HierarchicalNMF", "NeuralNMF labels"])
def test_every_place(name, kind, in_memory, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK_BYTES", 8 * MATRIX.shape[1] * 11)
    model, X, y = METHODS[name]
    given, expected = in_parts(kind, X, 4, tmp_path), in_memory(name)
    found = fitted(model, given, y)
    assert_same(found, expected)
    # All that follows a fit, on the same data and on those in memory.
    codes = expected.transform(X)
    of_parts = expected.transform(given)
    assert isinstance(of_parts, dask.array.Array) == kind.startswith("dask")
    np.testing.assert_allclose(np.asarray(of_parts), codes, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        np.asarray(expected.transform(given, level="all")), expected.transform(X, level="all"), rtol=1e-9, atol=1e-9
    )
    np.testing.assert_allclose(expected.score(given), expected.score(X), rtol=1e-9)
    np.testing.assert_allclose(
        found.reconstruction_error(given), found.reconstruction_error(X, np.asarray(found.codes_[-1]))
    )
    np.testing.assert_allclose(expected.reconstruction_error(given, codes), expected.reconstruction_error(X, codes))
    np.testing.assert_allclose(expected.reconstruction_error(given, of_parts), expected.reconstruction_error(X, codes))
    if y is not None:
        np.testing.assert_array_equal(np.asarray(expected.predict(given)), expected.predict(X))
        np.testing.assert_allclose(
            np.asarray(expected.decision_function(given)), expected.decision_function(X), rtol=1e-9
        )
        assert expected.score(given, y) == expected.score(X, y)
    assert str(found.tree()) == str(expected.tree())
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_allclose(np.asarray(again.transform(X)), np.asarray(found.transform(X)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["path", "list", "dask", "zarr"])
@pytest.mark.parametrize("name", ["NCPD", "NeuralNTF", "NeuralNTF Tucker"])
def test_tensors(name, kind, in_memory, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK_BYTES", 8 * TENSOR[0].size * 6)
    model, X, _ = METHODS[name]
    given, expected = in_parts(kind, X, 3, tmp_path), in_memory(name)
    found = fitted(model, given)
    assert_same(found, expected)
    np.testing.assert_allclose(np.asarray(expected.transform(given)), expected.transform(X), rtol=1e-8, atol=1e-8)
    for level, of_level in enumerate(found.components_):
        for mode in range(1, X.ndim):
            scale = np.abs(expected.components_[level][mode]).max()
            np.testing.assert_allclose(np.asarray(of_level[mode]), expected.components_[level][mode], atol=1e-2 * scale)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["path", "dask"])
def test_hidden_entries_in_parts(rng, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK_BYTES", 8 * MATRIX.shape[1] * 11)
    X = MATRIX.copy()
    X[rng.random(X.shape) < 0.1] = np.nan
    given = in_parts(kind, X, 4, tmp_path)
    for model, data, y in METHODS.values():
        if data is MATRIX:
            assert_same(fitted(model, given, y, mask="nan"), fitted(model, X, y, mask="nan"))
            with pytest.raises(ValueError, match="NaN"):
                fitted(model, given, y)


@pytest.mark.parametrize("kind", ["path", "dask"])
@pytest.mark.parametrize("name", ["NCPD", "NCPD hals", "NeuralNTF"])
def test_hidden_entries_of_tensors_in_parts(rng, name, kind, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK_BYTES", 8 * TENSOR[0].size * 6)
    X, model = TENSOR.copy(), METHODS[name][0]
    X[rng.random(X.shape) < 0.1] = np.nan
    assert_same(fitted(model, in_parts(kind, X, 3, tmp_path), mask="nan"), fitted(model, X, mask="nan"), rtol=1e-5)


def test_masks_are_cut_with_the_samples(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK_BYTES", 8 * MATRIX.shape[1] * 11)
    given = in_parts("path", MATRIX, 1, tmp_path)
    observed, weights = rng.random(MATRIX.shape) < 0.9, rng.random(len(MATRIX))
    model = hntf.NeuralNMF((4, 2), max_iter=20, random_state=0)
    expected = fitted(model, MATRIX, mask=observed, weights=weights)
    assert_same(fitted(model, given, mask=observed, weights=weights), expected)
    assert_same(fitted(model, given, mask=pandas.DataFrame(observed), weights=pandas.Series(weights)), expected)
    with pytest.raises(ValueError, match="mask must have the shape of X"):
        fitted(model, given, mask=observed[:-1])


@pytest.mark.parametrize("kind", ["path", "npz"])
def test_a_hold_out_is_that_of_all_samples(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK_BYTES", 8 * MATRIX.shape[1] * 11)
    given, mask = in_parts(kind, MATRIX, 4, tmp_path), hntf.HoldOut(0.2)
    model = hntf.NeuralNMF((4, 2), max_iter=20, random_state=0)
    expected = fitted(model, MATRIX, mask=mask)
    found = fitted(model, given, mask=mask)
    assert_same(found, expected)
    held_out = expected.reconstruction_error(MATRIX, mask=~mask)
    np.testing.assert_allclose(found.reconstruction_error(given, mask=~mask), held_out, rtol=1e-4)


def test_codes_are_kept_while_other_fits_run():
    """Updates of `"hals"` depend on the codes before, which other fits in threads of the process must not drive out."""
    given = dask.array.from_array(MATRIX, chunks=(20, -1))
    model = hntf.NMF(4, solver="hals", max_iter=15, tol=0.0, random_state=0)
    expected = fitted(model, given).factors_[0]
    with ThreadPoolExecutor(7) as threads:
        for found in threads.map(lambda _: fitted(model, given).factors_[0], range(7)):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.slow
def test_starts_use_a_sample():
    rng = np.random.default_rng(0)
    X = rng.random((12_000, 6)) @ rng.random((6, 10))
    found = [
        fitted(hntf.NeuralNMF((3, 2), random_state=0), given)
        for given in (Again([X]), Again(np.array_split(X, 5)), dask.array.from_array(X, chunks=(2500, 10)))
    ]
    for model in found[1:]:
        np.testing.assert_allclose(model.reconstruction_err_, found[0].reconstruction_err_, rtol=1e-8)
    np.testing.assert_allclose(
        found[0].reconstruction_err_, fitted(hntf.NeuralNMF((3, 2), random_state=0), X).reconstruction_err_, rtol=1e-2
    )


def test_a_pass_reads_every_block_once():
    class Counted(Again):
        n_read = 0

        def __iter__(self):
            for block in self.blocks:
                self.n_read += 1
                yield block

    evaluations = []
    for max_iter in (5, 15):
        X = Counted(np.array_split(MATRIX, 3))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = hntf.NMF(4, random_state=0, max_iter=max_iter, tol=0.0).fit(X)
        evaluations.append((X.n_read / 3, model.n_iter_))
    (few, first), (many, last) = evaluations
    assert (many - few) == last - first


@pytest.mark.parametrize(
    "model",
    [hntf.DeepNMF((3, 2)), hntf.DeepSemiNMF((3, 2)), hntf.UnfoldedNMF(3), hntf.MultiHNTF((3, 2)), hntf.NTD((2, 2))],
)
def test_other_methods_say_no(model, tmp_path):
    with pytest.raises(TypeError, match="NMF, SSNMF, HierarchicalNMF, NeuralNMF, NCPD and NeuralNTF"):
        model.fit(in_parts("path", MATRIX, 1, tmp_path))


def test_a_memory_map_is_loaded_for_other_methods(tmp_path):
    X = in_parts("memmap", MATRIX, 1, tmp_path)
    assert_same(fitted(hntf.DeepNMF((3, 2), random_state=0), X), fitted(hntf.DeepNMF((3, 2), random_state=0), MATRIX))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["dask", "dask sparse", "list", "sparse blocks"])
@pytest.mark.parametrize("given_as", ["array", "torch", "xarray", "dask", "rows", "columns", "hold-out", "several"])
def test_masks_and_weights_are_cut_with_blocks_and_chunks(rng, kind, given_as, tmp_path):
    n, m = MATRIX.shape
    observed, weights, rows = rng.random((n, m)) < 0.9, rng.random((n, m)), rng.random(n)
    options = {
        "array": {"mask": observed, "weights": weights},
        "torch": {"mask": torch.tensor(observed)},
        "xarray": {"weights": xarray.DataArray(weights), "mask": observed.tolist()},
        "dask": {"mask": observed, "weights": weights},
        "rows": {"weights": rows},
        "columns": {"weights": rng.random((1, m))},
        "hold-out": {"mask": hntf.HoldOut(0.2, 3)},
        "several": {"mask": (observed, hntf.HoldOut(0.1), "stored")},
    }[given_as]
    dense_options = (
        {**options, "mask": (observed, hntf.HoldOut(0.1), MATRIX != 0)} if given_as == "several" else options
    )
    given = in_parts(kind, MATRIX, 3, tmp_path)
    if given_as in ("torch", "xarray"):
        dense_options = {name: np.asarray(x) for name, x in options.items()}
    if "sparse" not in kind and given_as == "several":
        options = dense_options
    if given_as == "dask" and kind.startswith("dask"):
        # Chunks that are not those of the samples.
        options = {name: dask.array.from_array(x, chunks=(7, 3)) for name, x in options.items()}
    if given_as == "columns" and kind.startswith("dask"):
        options = {name: dask.array.from_array(x) for name, x in options.items()}
    model = hntf.NMF(3, random_state=0)
    expected = fitted(model, MATRIX, **dense_options)
    found = fitted(model, given, **options)
    assert_same(found, expected)
    np.testing.assert_allclose(
        found.reconstruction_error(given, **options), expected.reconstruction_error(MATRIX, **dense_options), rtol=1e-5
    )


def test_dense_and_sparse_blocks_may_alternate():
    model, blocks = hntf.NMF(3, random_state=0), [MATRIX[:20], scipy.sparse.csr_array(MATRIX[20:])]
    assert_same(fitted(model, blocks), fitted(model, MATRIX))


@pytest.mark.slow
def test_ranks_and_stability_of_chunks():
    X = hntf.datasets.make_hierarchical_blocks(random_state=0).X
    given = dask.array.from_array(X, chunks=(40, -1))
    assert hntf.select_ranks(given, [6, 9, 12], model=hntf.NMF, n_folds=2, random_state=0).best == 9
    found = hntf.stability(hntf.NMF(9, random_state=0), given, n_fits=2, random_state=0)
    assert found.components[0].mean() > 0.9


def test_batches_need_memory(tmp_path):
    with pytest.raises(TypeError, match="in memory"):
        hntf.NeuralNMF((3, 2), batch_size=10).fit(in_parts("path", MATRIX, 1, tmp_path))


@pytest.mark.parametrize("kind", ["list", "dask", "path"])
def test_bad_entries_in_a_late_block_are_named(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "BLOCK_BYTES", 8 * MATRIX.shape[1] * 11)
    for value, words in ((np.nan, "NaN"), (-1.0, "[Nn]egative"), (np.inf, "inf")):
        X = MATRIX.copy()
        X[-1, -1] = value
        with pytest.raises(ValueError, match=words):
            hntf.NMF(3).fit(in_parts(kind, X, 4, tmp_path))


def test_bad_sources_are_named(tmp_path):
    model = hntf.NMF(3)
    with pytest.raises(TypeError, match="can be read again"):
        model.fit(block for block in [MATRIX])
    with pytest.raises(ValueError, match="same features"):
        model.fit([MATRIX, MATRIX[:, :-1]])
    with pytest.raises(ValueError, match="at least one block"):
        model.fit(Again([]))
    with pytest.raises(ValueError, match=r"\.npy"):
        model.fit("data.csv")
    with pytest.raises(ValueError, match="holds none"):
        model.fit(tmp_path)
    with pytest.raises(FileNotFoundError):
        model.fit(tmp_path / "missing.npy")
    np.save(tmp_path / "x.npy", MATRIX)
    content = (tmp_path / "x.npy").read_bytes()
    (tmp_path / "x.npy").write_bytes(content[:-100])
    with pytest.raises(ValueError, match=r"\w"):
        model.fit(tmp_path / "x.npy")
    np.save(tmp_path / "words.npy", np.array([["a", "b"], ["c", "d"]]))
    with pytest.raises((TypeError, ValueError), match="X must"):
        model.fit(tmp_path / "words.npy")
    for kind in ("dask", "list"):
        for shape in ((7, MATRIX.shape[1]), (len(MATRIX), 3), ()):
            with pytest.raises(ValueError, match=rf"weights must have the shape of X, \({len(MATRIX)}, "):
                model.fit(in_parts(kind, MATRIX, 2, tmp_path), weights=np.ones(shape))


def test_blocks_that_change_are_noticed():
    class Changing:
        n_read = 0

        def __iter__(self):
            self.n_read += 1
            yield MATRIX[: 20 if self.n_read < 4 else 10]
            yield MATRIX[20:]

    with pytest.raises(ValueError, match="same blocks"):
        hntf.NMF(3, random_state=0).fit(Changing())


@pytest.mark.parametrize(
    "kind",
    [
        np.asarray,
        scipy.sparse.csr_array,
        np.float32,
        lambda x: np.asfortranarray(x > 3),
        lambda x: sparse.COO.from_numpy(x[:, :, None]),
    ],
    ids=["dense", "csr", "single", "boolean", "tensor"],
)
@pytest.mark.parametrize("change", ["all shuffled", "two samples swapped", "an entry"])
def test_blocks_that_are_not_the_same_are_noticed(kind, change, rng):
    """Codes are kept by the place of a sample."""

    class Changing:
        def __iter__(self):
            X = np.array(MATRIX)
            if change == "all shuffled":
                X = X[rng.permutation(len(X))]
            elif change == "two samples swapped":
                i, j = rng.integers(1, 5), rng.integers(6, 10)
                X[[i, j]] = X[[j, i]]
            else:
                X[5, 7] = 5 * rng.integers(2) + 1e-9 * rng.random() if kind is not np.float32 else rng.random()
            yield from (kind(block) for block in np.array_split(X, 3))

    with pytest.raises(ValueError, match="same blocks whenever it is read; block 0 has changed"):
        (hntf.NCPD if kind(MATRIX).ndim == 3 else hntf.NMF)(3, tol=0.0, max_iter=20, random_state=0).fit(Changing())


def test_single_precision_and_integers(tmp_path):
    for dtype, expected in ((np.float32, np.float32), (np.int64, np.float64)):
        X = np.round(MATRIX * 10).astype(dtype)
        for given in (in_parts("path", X, 1, tmp_path), in_parts("dask", X, 3, tmp_path)):
            model = fitted(hntf.NMF(3, random_state=0), given)
            assert {code.dtype for code in model.codes_} == {np.dtype(expected)}
            assert {A.dtype for A in model.factors_} == {np.dtype(expected)}
            assert np.asarray(model.transform(given)).dtype == expected


def test_unknown_chunks_and_empty_ones():
    X = dask.array.from_array(MATRIX, chunks=(10, -1))
    filtered = X[(X >= 0).all(axis=1)]
    assert np.isnan(filtered.chunks[0]).all()
    expected = fitted(hntf.NMF(3, random_state=0), MATRIX)
    assert_same(fitted(hntf.NMF(3, random_state=0), filtered), expected)
    assert np.isnan(filtered.chunks[0]).all()
    with_empty = dask.array.concatenate([X, X[:0]])
    with pytest.raises(ValueError, match="X must have no empty axis"):
        hntf.NMF(3).fit(X[:0])
    assert_same(fitted(hntf.NMF(3, random_state=0), with_empty), expected)


@pytest.mark.parametrize("scale", [1e-200, 1e200])
@pytest.mark.parametrize("kind", ["list", "path", "dask"])
def test_extreme_units(kind, scale, tmp_path):
    model = hntf.NMF(3, random_state=0)
    expected = fitted(model, MATRIX * scale)
    found = fitted(model, in_parts(kind, MATRIX * scale, 3, tmp_path))
    np.testing.assert_allclose(found.reconstruction_err_, expected.reconstruction_err_, rtol=1e-9)
    np.testing.assert_allclose(np.asarray(found.codes_[0]) / scale, expected.codes_[0] / scale, rtol=1e-6, atol=1e-9)


def test_empty_blocks_and_blocks_of_which_nothing_is_observed(tmp_path):
    model, expected = hntf.NMF(3, random_state=0), fitted(hntf.NMF(3, random_state=0), MATRIX)
    assert_same(fitted(model, [MATRIX[:0], MATRIX[:20], MATRIX[:0], MATRIX[20:]]), expected)
    hidden = MATRIX.copy()
    hidden[:20] = np.nan
    for masked in (model, hntf.NeuralNMF((4, 2), max_iter=10, random_state=0)):
        for given in ([hidden[:20], hidden[20:]], dask.array.from_array(hidden, chunks=(20, -1))):
            assert_same(fitted(masked, given, mask="nan"), fitted(masked, hidden, mask="nan"))
        with pytest.raises(ValueError, match="observed"):
            fitted(masked, [np.full((3, 4), np.nan), np.full((3, 4), np.nan)], mask="nan")


def test_a_changed_memory_map_is_what_it_shows(tmp_path):
    np.save(tmp_path / "x.npy", MATRIX)
    changed = np.load(tmp_path / "x.npy", mmap_mode="c")
    changed[:20] *= 5
    model = hntf.NMF(3, random_state=0)
    assert_same(fitted(model, changed), fitted(model, np.array(changed)))


def test_more_bad_sources_are_named(tmp_path):
    for name, array in (("rows", np.empty((0, 3))), ("columns", np.empty((3, 0))), ("number", np.float64(3.0))):
        np.save(tmp_path / f"{name}.npy", array)
        with pytest.raises(ValueError, match="X must"):
            hntf.NMF(1).fit(tmp_path / f"{name}.npy")
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "garbage.npy").write_bytes(b"\x93NUMPY garbage")
    for name in ("empty", "garbage"):
        with pytest.raises(ValueError, match=r"whole \.npy file"):
            hntf.NMF(1).fit(tmp_path / f"{name}.npy")
    folder = tmp_path / "dense"
    folder.mkdir()
    np.savez(folder / "x.npz", MATRIX)
    with pytest.raises(ValueError, match="sparse matrices of SciPy"):
        hntf.NMF(1).fit(folder)

    class Growing:
        n_read = 0

        def __iter__(self):
            self.n_read += 1
            yield MATRIX[:20]
            if self.n_read > 2:
                yield MATRIX[20:]

        def __len__(self):
            return 1

    with pytest.raises(ValueError, match="same blocks"):
        hntf.NMF(3, random_state=0).fit(Growing())


def test_codes_of_updates_that_remember_outlive_the_fit():
    model = hntf.NMF(3, solver="mu", max_iter=5, random_state=0)
    given = dask.array.from_array(MATRIX, chunks=(20, -1))
    first = fitted(model, given)
    for _ in range(6):
        fitted(model, given + 1.0)
    np.testing.assert_allclose(first.codes_[0].compute(), fitted(model, MATRIX).codes_[0], rtol=1e-9)


@pytest.mark.parametrize("solver", ["hals", "mu"])
def test_updates_that_depend_on_the_one_before_run_wherever_tasks_stay_in_this_process(solver):
    X = dask.array.from_array(MATRIX, chunks=(10, -1))
    model = hntf.NMF(3, solver=solver, random_state=0, max_iter=20)
    expected = fitted(model, MATRIX)
    with dask.config.set(scheduler="synchronous"):
        assert_same(fitted(model, X), expected)
    with dask.config.set(scheduler="processes"), pytest.raises(ValueError, match="other processes"):
        model.fit(X)


@pytest.mark.parametrize("kind", ["blocks", "sparse blocks", "sparse"])
def test_masks_and_weights_of_blocks_are_those_of_all_samples(kind, rng):
    X, observed = rng.random((30, 8)), rng.random((30, 8)) < 0.8
    given = {
        "blocks": lambda x: np.array_split(x, 3),
        "sparse blocks": lambda x: [scipy.sparse.csr_array(block) for block in np.array_split(x, 3)],
        "sparse": scipy.sparse.csr_array,
    }[kind]
    blocks = [X[:4], X[4:20], X[20:]]
    for name, of_all in (("mask", observed), ("weights", 2.0 * observed)):
        found = hntf.NMF(3, random_state=0).fit(blocks, **{name: given(of_all)})
        expected = hntf.NMF(3, random_state=0).fit(X, **{name: of_all})
        np.testing.assert_allclose(found.components_[0], expected.components_[0], rtol=1e-6)


KINDS_OF_BLOCKS = {
    "tensors": torch.from_numpy,
    "data frames": lambda block: pandas.DataFrame(block).convert_dtypes(),
    "xarray": xarray.DataArray,
    "sparse": sparse.COO.from_numpy,
    "chunks": dask.array.from_array,
}


@pytest.mark.parametrize("collect", [list, tuple, Again])
@pytest.mark.parametrize("kind", KINDS_OF_BLOCKS)
def test_blocks_of_any_kind_of_array(kind, collect, in_memory):
    """They are blocks of samples, as arrays of NumPy are, not slices of a tensor."""
    blocks = [KINDS_OF_BLOCKS[kind](block) for block in (MATRIX[:20], MATRIX[20:])]
    assert_same(fitted(METHODS["NMF"][0], collect(blocks)), in_memory("NMF"))


@pytest.mark.parametrize("kind", [torch.from_numpy, xarray.DataArray])
def test_blocks_of_tensors_of_any_kind(kind, in_memory):
    assert_same(fitted(METHODS["NCPD"][0], [kind(TENSOR[:9]), kind(TENSOR[9:])]), in_memory("NCPD"))


def test_masks_in_blocks_of_any_kind():
    observed = np.random.default_rng(0).random(MATRIX.shape) < 0.8
    expected = fitted(METHODS["NMF"][0], [MATRIX[:20], MATRIX[20:]], mask=observed)
    for kind in (torch.from_numpy, pandas.DataFrame):
        mask = [kind(observed[:7]), kind(observed[7:])]
        assert_same(fitted(METHODS["NMF"][0], [kind(MATRIX[:20]), kind(MATRIX[20:])], mask=mask), expected)


@pytest.mark.parametrize("collect", [list, tuple, Again])
def test_names_of_blocks_are_those_of_their_features(collect):
    columns = [f"f{i}" for i in range(MATRIX.shape[1])]
    whole = pandas.DataFrame(MATRIX, [f"s{i}" for i in range(len(MATRIX))], columns)
    blocks = [whole[:20], whole[20:]]
    model = clone(METHODS["NMF"][0]).fit(collect(blocks))
    np.testing.assert_array_equal(model.axes_[1].labels, columns)
    np.testing.assert_array_equal(model.axes_[0].labels, whole.index)
    backwards = [block[columns[::-1]] for block in blocks]
    with pytest.raises(ValueError, match="named and ordered as in fit"):
        model.transform(collect(backwards))
    with pytest.raises(ValueError, match="blocks with features of the same names and order, got others in block 1"):
        model.fit(collect([blocks[0], backwards[1]]))


@pytest.mark.slow
@pytest.mark.parametrize("collect", [list, Again])
@pytest.mark.parametrize("name", ["NCPD", "NeuralNTF"])
def test_blocks_of_a_sparse_tensor(name, collect, rng):
    model, _, y = METHODS[name]
    X = np.where(np.median(TENSOR) < TENSOR, TENSOR, 0.0)
    blocks = collect([sparse.COO.from_numpy(X[:5]), sparse.GCXS.from_numpy(X[5:6]), sparse.COO.from_numpy(X[6:])])
    whole = sparse.COO.from_numpy(X)
    for options in (
        {},
        {"mask": rng.random(X.shape) < 0.8},
        {"mask": hntf.HoldOut(0.1)},
        {"weights": rng.random(len(X))},
    ):
        expected = fitted(model, whole, y, **options)
        found = fitted(model, blocks, y, **options)
        assert_same(found, expected)
        np.testing.assert_allclose(found.transform(blocks, **options), expected.transform(whole, **options), atol=1e-5)


@pytest.mark.parametrize(
    ("block", "error", "message"),
    [
        ((np.zeros((3, 1), int), np.ones(1), (2, 3, 4)), TypeError, "as sparse.COO, got"),
        (torch.ones(3, MATRIX.shape[1], requires_grad=True), TypeError, "requires a gradient"),
        (np.ma.masked_less(MATRIX, 0.5), TypeError, "masked array"),
        (np.full(MATRIX.shape, "a"), TypeError, "real numbers"),
        (MATRIX * 1j, ValueError, "Complex data"),
    ],
)
def test_bad_blocks_are_named(block, error, message):
    with pytest.raises(error, match=message):
        fitted(METHODS["NMF"][0], [block, block])


def damaged(content, rng, n):
    """Yield damaged copies of the content of a file: cut, or with some bytes changed near its start or its end."""
    for i in range(n):
        copy = bytearray(content)
        if i % 3 == 0:
            yield bytes(copy[: rng.integers(len(copy))])
            continue
        for place in rng.integers(min(150, len(copy)), size=3):
            copy[place if i % 3 == 1 else -place - 1] = rng.integers(256)
        yield bytes(copy)


@pytest.mark.filterwarnings("error::ResourceWarning")
@pytest.mark.parametrize("kind", ["path", "npz"])
def test_damaged_files_are_named(kind, rng, tmp_path):
    whole = in_parts(kind, MATRIX, 2, tmp_path)
    file = tmp_path / ("x.npy" if kind == "path" else "001.npz")
    content = file.read_bytes()
    messages = []
    for each in damaged(content, rng, 90):
        file.write_bytes(each)
        try:
            fitted(hntf.NMF(2, n_init=1, max_iter=1, random_state=0), whole)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 30
    assert all("X must" in message or "X contains" in message for message in messages)
    for name in ("junk.npy", "junk.npz"):
        (file.parent / name).write_bytes(b"neither an array nor an archive")
    with pytest.raises(ValueError, match=r"X must be.*(magic|zip)"):
        hntf.NMF(2).fit(tmp_path / "junk.npy" if kind == "path" else whole)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, bool])
def test_digests_tell_a_block_from_its_transpose(dtype):
    E = np.eye(6, dtype=dtype)
    one, other = E[[1, 2, 3, 4, 5, 0]], E[[5, 0, 1, 2, 3, 4]]
    assert digest_of(one) != digest_of(other)
    assert digest_of(scipy.sparse.csr_array(one)) != digest_of(scipy.sparse.csr_array(other))
    assert digest_of(one) == digest_of(one.copy())


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_a_map_holds_what_its_file_held_when_it_was_opened(tmp_path, mode):
    """Another program may give its name to a new file meanwhile, as whoever writes at once does."""
    np.save(tmp_path / "X.npy", MATRIX)
    mapped = np.load(tmp_path / "X.npy", mmap_mode=mode)
    np.save(tmp_path / "other.npy", 3 * MATRIX)
    (tmp_path / "other.npy").replace(tmp_path / "X.npy")
    model = hntf.NMF(3, random_state=0).fit(MATRIX)
    np.testing.assert_allclose(model.transform(mapped), model.transform(MATRIX), rtol=1e-12, atol=1e-12)
    fitted = hntf.NMF(3, random_state=0).fit(mapped)
    np.testing.assert_allclose(fitted.reconstruction_err_, model.reconstruction_err_, rtol=1e-9)


def test_what_is_written_to_a_map_is_kept(tmp_path, monkeypatch):
    """Pages are dropped after they were read."""
    monkeypatch.setattr("hntf.fitting.parts.sources.BLOCK_BYTES", 8 * MATRIX.shape[1] * 7)
    np.save(tmp_path / "X.npy", np.zeros((2000, MATRIX.shape[1])))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r+")
    mapped[:] = np.resize(MATRIX, mapped.shape)
    expected = np.array(mapped)
    assert len(sources.source_of(mapped).bounds) > 100
    for _ in range(2):
        np.testing.assert_array_equal(np.concatenate(list(sources.source_of(mapped))), expected)
    np.testing.assert_array_equal(mapped, expected)


@pytest.mark.parametrize("dtypes", [("f4", "f8"), ("f8", "f4"), ("f4", "f4"), ("i4", "f4")])
def test_files_of_several_types_have_the_wider_one(tmp_path, dtypes):
    """As a list of such blocks has."""
    blocks = [
        scipy.sparse.csr_array(MATRIX[:9].astype(dtypes[0])),
        scipy.sparse.csr_array(MATRIX[9:].astype(dtypes[1])),
    ]
    for i, block in enumerate(blocks):
        scipy.sparse.save_npz(tmp_path / f"{i}.npz", block)
    codes = [hntf.NMF(2, max_iter=2, tol=0.5, random_state=0).fit(X).codes_[0] for X in (tmp_path, blocks)]
    assert codes[0].dtype == codes[1].dtype == (np.float32 if dtypes == ("f4", "f4") else np.float64)


def test_a_loader_of_torch_yields_blocks():
    tensor = torch.tensor(MATRIX)
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(tensor), batch_size=16)
    expected = hntf.NMF(3, random_state=0).fit(MATRIX)
    np.testing.assert_allclose(
        hntf.NMF(3, random_state=0).fit(loader).components_[0], expected.components_[0], rtol=1e-9
    )
    with_labels = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(tensor, tensor), batch_size=16)
    with pytest.raises(TypeError, match="X must hold blocks of samples alone, got 2 arrays in a block"):
        hntf.NMF(3).fit(with_labels)


@pytest.mark.parametrize("kind", ["list", "dask"])
def test_what_is_hidden_may_overflow_in_other_units(kind, tmp_path):
    X, mask = 1e-60 * MATRIX, np.ones(MATRIX.shape, dtype=bool)
    X[0, 0], mask[0, 0] = 1e300, False
    expected = hntf.NMF(3, random_state=0).fit(MATRIX, mask=mask).reconstruction_err_
    for given in (X, in_parts(kind, X, 3, tmp_path)):
        np.testing.assert_allclose(
            hntf.NMF(3, random_state=0).fit(given, mask=mask).reconstruction_err_, expected, rtol=1e-6
        )


class TestUndeterminedCodes:
    """Where a sample has fewer observed entries than components, users are told; a penalty makes the answer one again."""

    RNG = np.random.default_rng(0)
    X = RNG.random((120, 6)) @ RNG.random((6, 40))
    MASK = RNG.random(X.shape) < 0.15
    MASK[:, 0] |= ~MASK.any(axis=1)

    @pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
    @pytest.mark.parametrize(
        "model", [hntf.NMF(8), hntf.NeuralNMF((8, 2)), hntf.HierarchicalNMF((8, 2)), hntf.SSNMF(8)]
    )
    @pytest.mark.parametrize("n_parts", [1, 3])
    def test_a_fit_warns(self, model, n_parts):
        X = self.X if n_parts == 1 else np.array_split(self.X, n_parts)
        fewest = self.MASK.sum(axis=1).min()
        with pytest.warns(UserWarning, match=f"X has samples with {fewest} observed entries and codes of 8"):
            fitted = clone(model).set_params(max_iter=3, random_state=0).fit(X, mask=self.MASK)
        with pytest.warns(UserWarning, match="which these do not determine"):
            fitted.transform(self.X, mask=self.MASK)

    def test_with_a_penalty_there_is_one_answer(self):
        model = hntf.NMF(8, code_l2=0.01, factor_l2=0.01, max_iter=50, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ConvergenceWarning)
            fits = [clone(model).fit(X, mask=self.MASK) for X in (self.X, np.array_split(self.X, 3))]
        np.testing.assert_allclose(*(each.components_[0] for each in fits), rtol=1e-6, atol=1e-9)

    @pytest.mark.parametrize(("mask", "k"), [(None, 3), (None, 40), (RNG.random((120, 40)) < 0.9, 3)])
    def test_determined_codes_do_not_warn(self, mask, k):
        """More components than whole samples have entries are redundant, but not for want of observations."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ConvergenceWarning)
            hntf.NMF(k, max_iter=2, random_state=0).fit(self.X, mask=mask)
