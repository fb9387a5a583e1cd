"""Models that are saved come back: every method, without what was not asked for, and never from a file that is not whole."""

import json
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

import hntf
from tests.estimators.catalogue import CASES, parameters

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

STORED_BY_0_1 = Path(__file__).parent / "stored_by_0_1.safetensors"


@pytest.fixture(scope="module", params=parameters(CASES))
def fitted(request):
    labelled = {"y": request.param.y} if hasattr(request.param.estimator, "supervision_weight") else {}
    return request.param.fit(**labelled), request.param.X


@pytest.mark.parametrize("codes", [True, False])
def test_every_method_comes_back(fitted, codes, tmp_path):
    model, X = fitted
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "init", UserWarning)
        model.save(tmp_path / "model", codes=codes)
    loaded = hntf.load(tmp_path / "model")
    assert type(loaded) is type(model)
    same = partial(np.testing.assert_allclose, rtol=1e-10, atol=1e-12)  # arrays may be laid out in another order
    for level in range(model.n_levels_):
        S = model.transform(X, level=level)
        same(loaded.transform(X, level=level), S)
        same(loaded.inverse_transform(S, level), model.inverse_transform(S, level))
        assert loaded.codes_[level].shape == (len(X) if codes else 0, model.codes_[level].shape[1])
    same(loaded.score(X), model.score(X))
    for name, values in model.history_.items():
        np.testing.assert_array_equal(loaded.history_[name], values)
    mode = {} if X.ndim == 2 else {"mode": 1}
    assert str(loaded.tree(**mode)) == str(model.tree(**mode))
    if hasattr(model, "classes_"):
        np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    for name, value in model.get_params().items():
        if isinstance(value, int | str | float | tuple):
            assert getattr(loaded, name) == value
            assert type(getattr(loaded, name)) is type(value)
    loaded.set_params(max_iter=2).fit(X)
    assert len(loaded.codes_[0]) == len(X)


def test_partial_fit_goes_on_from_a_loaded_model(tmp_path):
    X = np.random.default_rng(0).random((30, 8))
    model = hntf.NeuralNMF((4, 2), max_iter=5, random_state=0).fit(X)
    model.save(tmp_path / "model")
    loaded = hntf.load(tmp_path / "model")
    for each in (model, loaded):
        each.partial_fit(X[:10])
    np.testing.assert_array_equal(loaded.factors_[0], model.factors_[0])


def test_torch_and_names_and_text_classes(tmp_path):
    pandas = pytest.importorskip("pandas")
    X = np.random.default_rng(0).random((12, 5))
    y = np.array(["yes", "no"] * 6)
    frame = pandas.DataFrame(X, columns=[f"gene{i}" for i in range(5)], index=[f"cell{i}" for i in range(12)])
    model = hntf.SSNMF(2, random_state=0).fit(frame, y)
    model.save(tmp_path / "model", codes=True)
    loaded = hntf.load(tmp_path / "model")
    assert list(loaded.predict(frame)) == list(model.predict(frame))
    assert loaded.feature_names_in_.dtype == object
    assert list(loaded.axes_[0].labels) == list(frame.index)
    with pytest.raises(ValueError, match="feature names"):
        loaded.transform(frame.rename(columns={"gene0": "other"}))
    model.save(tmp_path / "model")
    assert (
        hntf.load(tmp_path / "model").axes_[0].labels is None
    )  # whose names these are is not stored without the codes
    of_torch = hntf.NMF(2, random_state=0).fit(torch.tensor(X))
    of_torch.save(tmp_path / "model")
    codes = hntf.load(tmp_path / "model").transform(torch.tensor(X))
    assert isinstance(codes, torch.Tensor)
    torch.testing.assert_close(codes, of_torch.transform(torch.tensor(X)))


def test_what_cannot_be_stored_is_named(tmp_path):
    X = np.random.default_rng(0).random((12, 5))
    model = hntf.NMF(2, random_state=np.random.RandomState(0), callback=lambda progress: None).fit(X)
    with pytest.warns(UserWarning, match=r"(?s)callback.*random_state|random_state.*callback"):
        model.save(tmp_path / "model")
    assert hntf.load(tmp_path / "model").callback is None
    with pytest.raises(ValueError, match="folder"):
        model.save(tmp_path)
    with pytest.raises(FileNotFoundError, match="folder that exists"):
        model.save(tmp_path / "none" / "model")


def test_a_file_of_version_0_1():
    X = np.arange(1.0, 41.0).reshape(8, 5) % 7
    loaded = hntf.load(STORED_BY_0_1)
    assert isinstance(loaded, hntf.NeuralNMF)
    assert loaded.n_components == (3, 2)
    assert loaded.score(X) == pytest.approx(-loaded.reconstruction_err_[-1], rel=1e-6)
    assert list(loaded.classes_) == ["a", "b"]
    assert len(loaded.predict(X)) == 8


def hostile(content, rng):
    """Return a damaged content: bytes changed, cut or doubled, or the JSON inside changed at random."""
    kind = rng.integers(4)
    if kind == 0:
        damaged = bytearray(content)
        for at in rng.integers(0, len(content), rng.integers(1, 8)):
            damaged[at] = rng.integers(256)
        return bytes(damaged)
    if kind == 1:
        return content[: rng.integers(len(content))]
    arrays = safetensors.numpy.load(content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    tree = json.loads(header["__metadata__"]["hntf"])
    del tree["digest"]  # which would be that of what is stored, whatever it is
    if kind == 2:
        name = sorted(arrays)[rng.integers(len(arrays))]
        arrays[name] = [
            np.zeros((0, 3)),
            arrays[name].reshape(-1),
            arrays[name] * np.nan,
            arrays[name].astype(bool),
            np.ones(1),
        ][rng.integers(5)]
        return safetensors.numpy.save(arrays, metadata={"hntf": json.dumps(tree)})
    nodes = []

    def collect(x):
        if isinstance(x, dict | list):
            nodes.extend((x, key) for key in (x if isinstance(x, dict) else range(len(x))))
            for item in x.values() if isinstance(x, dict) else x:
                collect(item)

    collect(tree)
    holder, key = nodes[rng.integers(len(nodes))]
    values = [
        None,
        -1,
        10**12,
        1e308,
        "os.system",
        [],
        {},
        {"kind": "Popen", "arguments": {}},
        {"array": "array0"},
        True,
    ]
    holder[key] = values[rng.integers(len(values))]
    return safetensors.numpy.save(arrays, metadata={"hntf": json.dumps(tree)})


@pytest.mark.parametrize("n_files", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_hostile_files_are_refused_or_whole(n_files, tmp_path):
    rng = np.random.default_rng(0)
    X, path = rng.random((12, 5)), tmp_path / "model"
    hntf.NeuralNMF((3, 2), max_iter=3, random_state=0).fit(X, np.arange(12) % 2).save(path, codes=True)
    content = path.read_bytes()
    refused = 0
    for _ in range(n_files):
        path.write_bytes(hostile(content, rng))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                loaded = hntf.load(path)
        except ValueError as error:
            assert "path must be a file that model.save wrote" in str(error)  # noqa: PT017
            refused += 1
            continue
        # What is not refused is a model: it encodes, or says that a parameter is not what it should be.
        assert loaded.n_levels_ == len(loaded.codes_)
        assert all(np.isfinite(S).all() for S in loaded.codes_)
    assert refused > n_files / 3
