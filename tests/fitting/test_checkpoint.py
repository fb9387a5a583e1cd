"""Checkpoints: a fit that is cut off at any moment goes on to the same result, and a bad file is refused and left alone."""

import json
import multiprocessing
import os
import time
import warnings

import numpy as np
import pytest
import safetensors.numpy
import scipy.sparse
import torch
from sklearn.base import clone

import hntf
from hntf.fitting.batches import BatchTrainer
from hntf.fitting.checkpoint import FORMAT
from hntf.storage import digest, packed, unpacked
from tests.fitting.parts.test_parts import LABELS, MATRIX, METHODS, TENSOR, in_parts


class CutOff(Exception):
    """Ends a fit as a kill would, between two iterations."""


def cut_after(n):
    def callback(progress):
        nonlocal n
        n -= 1
        if n < 0:
            raise CutOff

    return callback


def fit(model, X, y=None, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, **({} if y is None else {"y": y}), **options)


MODELS = {
    "NMF": (hntf.NMF(4, max_iter=15, tol=0.0, random_state=0), MATRIX, None),
    "NCPD": (hntf.NCPD(3, max_iter=15, tol=0.0, random_state=0), TENSOR, None),
    **{name: METHODS[name] for name in ("NMF penalties", "SSNMF", "HierarchicalNMF")},
    "NeuralNMF": (hntf.NeuralNMF((4, 2), max_iter=25, random_state=0), MATRIX, LABELS),
    "starts": (hntf.NeuralNMF((4, 2), n_init=3, max_iter=70, random_state=0), MATRIX, None),
    "no seed": (hntf.NeuralNMF((4, 2), init="random", max_iter=25), MATRIX, None),
    "projected gradient": (
        hntf.NeuralNMF((4, 2), solver="projected_gradient", max_iter=25, random_state=0),
        MATRIX,
        None,
    ),
    "adam": (hntf.NeuralNMF((4, 2), solver="adam", max_iter=25, random_state=0), MATRIX, None),
    "sgd": (hntf.NeuralNMF((4, 2), solver="sgd", max_iter=25, random_state=0), MATRIX, None),
    "NeuralNTF": (hntf.NeuralNTF((3, 2), n_init=2, max_iter=25, random_state=0), TENSOR, None),
    "torch": (hntf.NeuralNMF((4, 2), max_iter=25, random_state=0), torch.tensor(MATRIX), None),
    "batches": (hntf.NeuralNMF((4, 2), batch_size=8, max_iter=25, random_state=0), MATRIX, LABELS),
    "batches of starts": (
        hntf.NeuralNMF((4, 2), batch_size=8, n_init=3, solver="sgd", max_iter=25, random_state=0),
        torch.tensor(MATRIX),
        None,
    ),
    "batches of a tensor": (hntf.NeuralNTF((3, 2), batch_size=5, tol=0.0, max_iter=15, random_state=0), TENSOR, None),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("n_iter", [0, 3, 8])
def test_a_fit_goes_on_to_the_same_result(name, n_iter, tmp_path):
    model, X, y = MODELS[name]
    path = tmp_path / "fit.safetensors"
    whole = fit(clone(model), X, y, checkpoint=tmp_path / "whole.safetensors") if name != "no seed" else None
    with pytest.raises(CutOff):
        fit(clone(model).set_params(callback=cut_after(n_iter)), X, y, checkpoint=path, every=2)
    left = path.read_bytes()
    found = fit(clone(model), X, y, checkpoint=path, every=2)
    if whole is None:
        path.write_bytes(left)
        whole = fit(clone(model), X, y, checkpoint=path)
    np.testing.assert_allclose(found.reconstruction_err_, whole.reconstruction_err_, rtol=1e-7)
    assert found.n_iter_ == whole.n_iter_
    np.testing.assert_allclose(found.history_["loss"], whole.history_["loss"], rtol=1e-6)
    # After the end, the same call ends at once with the same result.
    again = fit(clone(model), X, y, checkpoint=path)
    np.testing.assert_allclose(again.reconstruction_err_, found.reconstruction_err_, rtol=1e-10)
    assert again.n_iter_ == found.n_iter_


@pytest.mark.slow
@pytest.mark.parametrize("name", ["NMF", "HierarchicalNMF", "NeuralNMF", "NeuralNTF"])
def test_it_goes_on_with_another_number_of_parts(name, tmp_path):
    model, X, y = MODELS[name]
    whole, path = fit(clone(model), X, y), tmp_path / "fit"
    for n_parts, n_iter in ((1, 2), (3, 3), (7, 4)):
        with pytest.raises(CutOff):
            fit(
                clone(model).set_params(callback=cut_after(n_iter)),
                in_parts("list", X, n_parts, None),
                y,
                checkpoint=path,
                every=1,
            )
    found = fit(clone(model), in_parts("dask", X, 2, None), y, checkpoint=path)
    np.testing.assert_allclose(found.reconstruction_err_, whole.reconstruction_err_, rtol=1e-6)


@pytest.mark.parametrize("labels", [None, LABELS])
def test_an_epoch_that_is_interrupted_begins_anew(labels, tmp_path, monkeypatch):
    model, X, _ = MODELS["batches"]
    whole, path = fit(clone(model), X, labels), tmp_path / "fit"
    step, n_steps = BatchTrainer.step, 0

    def interrupted_step(*given, **options):
        nonlocal n_steps
        n_steps += 1
        if n_steps == 40:
            raise KeyboardInterrupt
        return step(*given, **options)

    monkeypatch.setattr(BatchTrainer, "step", interrupted_step)
    assert fit(clone(model), X, labels, checkpoint=path).n_iter_ < whole.n_iter_
    found = fit(clone(model), X, labels, checkpoint=path)
    np.testing.assert_array_equal(found.history_["loss"], whole.history_["loss"])
    np.testing.assert_array_equal(found.reconstruction_err_, whole.reconstruction_err_)


def test_more_iterations_go_on(tmp_path):
    model, X, _ = MODELS["NeuralNMF"]
    few = fit(clone(model).set_params(max_iter=5, tol=0.0), X, checkpoint=tmp_path / "fit")
    more = fit(clone(model).set_params(max_iter=12, tol=0.0), X, checkpoint=tmp_path / "fit")
    whole = fit(clone(model).set_params(max_iter=12, tol=0.0), X)
    np.testing.assert_allclose(more.history_["loss"], whole.history_["loss"], rtol=1e-9)
    np.testing.assert_allclose(few.history_["loss"], whole.history_["loss"][:6], rtol=1e-9)


def test_another_fit_is_refused_and_the_file_left(tmp_path):
    model, X, y = MODELS["NeuralNMF"]
    path = tmp_path / "fit"
    fit(clone(model), X, y, checkpoint=path)
    content = path.read_bytes()
    other = np.where(LABELS >= 0, (LABELS == 0) * 1, -1)
    for bad, data, labels, words in (
        (clone(model).set_params(n_components=(3, 2)), X, y, "parameters: n_components=.*4.*, not .*3.*;"),
        (clone(model).set_params(random_state=1), X, y, "parameters: random_state=0, not 1;"),
        (clone(model), X[:-1], y[:-1], "shape"),
        (clone(model), 2 * X, y, "other data"),
        (clone(model), X[:, ::-1], y, "other data"),
        (clone(model), X, y[::-1], "other data"),
        (clone(model), X, other, "other data"),
        (clone(model), X, None, "other data"),
        (clone(model), X, np.array(["a", "b", "c", -1], object)[y], "classes"),
        (hntf.NMF(4), X, None, "estimator"),
    ):
        with pytest.raises(ValueError, match=f"belong to this fit.*{words}"):
            fit(bad, data, labels, checkpoint=path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("kind", [np.asarray, scipy.sparse.csr_array])
def test_another_mask_or_other_weights_are_refused(kind, tmp_path):
    """Entries of zero add nothing to sums of the data, whether they are hidden or not."""
    X = MATRIX * (np.median(MATRIX) < MATRIX)
    options = [{}, {"mask": kind(X > 0)}, {"weights": kind(np.where(X > 0, 1.0, 5.0))}]
    model = hntf.NMF(3, max_iter=3, random_state=0)
    for i, one in enumerate(options):
        path = tmp_path / str(i)
        fit(clone(model), kind(X), checkpoint=path, **one)
        for j, other in enumerate(options):
            if i != j:
                with pytest.raises(ValueError, match="belong to this fit"):
                    fit(clone(model), kind(X), checkpoint=path, **other)


def test_seeds_of_numpy_are_told_apart(tmp_path):
    path = tmp_path / "fit"
    fit(hntf.NMF(3, max_iter=3, random_state=np.int64(0)), MATRIX, checkpoint=path)
    fit(hntf.NMF(3, max_iter=3, random_state=0), MATRIX, checkpoint=path)
    with pytest.raises(ValueError, match="parameters"):
        fit(hntf.NMF(3, max_iter=3, random_state=np.int64(1)), MATRIX, checkpoint=path)


def test_given_factors_are_told_apart(rng, tmp_path):
    X = rng.random((20, 2000))
    first, other = [rng.random((2000, 4)), rng.random((4, 2))], [rng.random((2000, 4)), rng.random((4, 2))]
    other[0][:500], other[0][1500:], other[1][:] = first[0][:500], first[0][1500:], first[1]
    fit(hntf.NeuralNMF((4, 2), init=first, max_iter=3, random_state=0), X, checkpoint=tmp_path / "fit")
    with pytest.raises(ValueError, match="parameters"):
        fit(hntf.NeuralNMF((4, 2), init=other, max_iter=3, random_state=0), X, checkpoint=tmp_path / "fit")


def test_more_iterations_of_a_level_begin_the_levels_above_anew(tmp_path):
    model = hntf.HierarchicalNMF((4, 2), tol=1e-6, random_state=0)
    fit(clone(model).set_params(max_iter=5), MATRIX, checkpoint=tmp_path / "fit")
    more, whole = fit(clone(model), MATRIX, checkpoint=tmp_path / "fit"), fit(clone(model), MATRIX)
    np.testing.assert_allclose(more.reconstruction_err_, whole.reconstruction_err_, rtol=1e-9)
    assert more.n_iter_ == whole.n_iter_


@pytest.mark.parametrize(
    "seed", [None, np.random.RandomState(3), np.random.default_rng(3)], ids=["none", "RandomState", "Generator"]
)
def test_every_generator_of_random_numbers(seed, tmp_path):
    model = hntf.NeuralNMF((4, 2), init="random", max_iter=10, random_state=seed)
    first = fit(model, MATRIX, checkpoint=tmp_path / "fit")
    errors = first.reconstruction_err_
    np.testing.assert_allclose(fit(model, MATRIX, checkpoint=tmp_path / "fit").reconstruction_err_, errors, rtol=1e-10)


def test_damaged_numbers_are_refused(tmp_path, rng):
    model, X, y = MODELS["NeuralNMF"]
    path = tmp_path / "fit"
    fit(clone(model), X, y, checkpoint=path)
    content = path.read_bytes()
    body = 8 + int.from_bytes(content[:8], "little")
    flipped = [bytearray(content) for _ in range(20)]
    for each in flipped:
        each[rng.integers(body, len(content))] ^= 1 << int(rng.integers(8))
    for each in [*flipped, content[:body] + bytes(len(content) - body)]:
        path.write_bytes(each)
        with pytest.raises(ValueError, match=r"checkpoint must be a whole checkpoint.*damaged"):
            fit(clone(model), X, y, checkpoint=path)
        assert path.read_bytes() == each


def signed(tree, arrays):
    """Return the content of a file with the digest of what it holds, whatever that is."""
    tree = {**tree, "digest": digest(tree["state"], arrays)}
    return safetensors.numpy.save(arrays, metadata={"hntf": json.dumps(tree)})


def test_a_truncated_or_hostile_file_is_refused_and_left(tmp_path, rng):
    model, X, y = MODELS["NeuralNMF"]
    path = tmp_path / "fit"
    fit(clone(model), X, y, checkpoint=path)
    content = path.read_bytes()
    header = int.from_bytes(content[:8], "little")
    arrays = safetensors.numpy.load(content)
    tree = json.loads(json.loads(content[8 : 8 + header])["__metadata__"]["hntf"])

    def with_tree(change):
        changed = json.loads(json.dumps(tree))
        change(changed)
        return signed(changed, arrays)

    run = ("state", "items", "stages", 0, "items", "runs", 0, "items")

    def at(x, *keys):
        for key in keys:
            x = x[key]
        return x

    bad = [b"", b"{}", rng.bytes(200), content[: len(content) // 2], content[:-1], content[:20], content + b"x"]
    bad += [
        safetensors.numpy.save(arrays),
        safetensors.numpy.save(arrays, metadata={"hntf": "["}),
        safetensors.numpy.save(arrays, metadata={"hntf": json.dumps({**tree, "digest": None})}),
        safetensors.numpy.save(arrays, metadata={"hntf": json.dumps({k: v for k, v in tree.items() if k != "digest"})}),
        safetensors.numpy.save(arrays, metadata={"hntf": "[" * 100_000}),
        signed(tree, {**arrays, "array3": np.zeros(3)}),
        signed(tree, {k: v * np.nan for k, v in arrays.items()}),
        signed(tree, {k: v > 0 for k, v in arrays.items()}),
        signed(tree, {k: v * 1e300 if v.dtype.kind == "f" else v for k, v in arrays.items()}),
        with_tree(lambda t: at(t, "state", "items", "signature", "items").update(parameters={"array": "array0"})),
        with_tree(lambda t: t.update(format=99)),
        with_tree(lambda t: t["state"]["items"].update(stages=3)),
        with_tree(lambda t: t["state"]["items"].update(generator={"items": {}})),
        with_tree(lambda t: at(t, *run)["descent"]["items"].pop("at")),
        with_tree(lambda t: at(t, *run).update(n_iter="many")),
        with_tree(lambda t: at(t, *run).update(losses=None)),
        with_tree(lambda t: at(t, *run).update(losses=["many"])),
        with_tree(lambda t: at(t, *run).update(n_iter=-1)),
        with_tree(lambda t: t["state"]["items"].update(stages=[{"items": {}}])),
        with_tree(lambda t: t["state"].update(items=3)),
        with_tree(lambda t: at(t, *run)["descent"]["items"].update(at={"array": "missing"})),
    ]
    for each in bad:
        path.write_bytes(each)
        with pytest.raises(ValueError, match="checkpoint must"):
            fit(clone(model), X, y, checkpoint=path)
        assert path.read_bytes() == each
    assert [file.name for file in tmp_path.iterdir()] == ["fit"]


@pytest.mark.parametrize("name", ["NMF", "NCPD", "NeuralNMF"])
def test_factors_of_other_signs_or_types_are_refused(name, tmp_path):
    model, X, y = MODELS[name]
    path = tmp_path / "fit"
    fit(clone(model), X, y, checkpoint=path)
    content = path.read_bytes()
    for change in (np.negative, np.float32):
        state = unpacked(content, 1)
        descent = state["stages"][0]["runs"][0]["descent"]
        if name == "NeuralNMF":
            descent["at"] = (change(descent["at"][0]), *descent["at"][1:])
        else:
            factors = descent.get("factors") or descent["features"]
            factors[-1] = change(factors[-1])
        path.write_bytes(packed(state, 1))
        with pytest.raises(ValueError, match=r"checkpoint must hold.*(negative|float32)"):
            fit(clone(model), X, y, checkpoint=path)


def test_whatever_is_changed_in_a_file_is_named(tmp_path, rng):
    """The digest is that of the changed file, so that only what it holds can tell."""
    model, path = hntf.NMF(3, max_iter=6, random_state=0), tmp_path / "fit"
    fit(clone(model), MATRIX, checkpoint=path)
    content = path.read_bytes()
    arrays = safetensors.numpy.load(content)
    text = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]["hntf"]

    def nodes(x):
        for key in x if isinstance(x, dict) else range(len(x)):
            yield x, key
            if isinstance(x[key], dict | list):
                yield from nodes(x[key])

    values = [None, -1, 3, 1e30, "x", [], {}, {"items": {}}, [1], True, 10**30, {"array": "array0"}, {"tuple": []}]
    messages = []
    for _ in range(150):
        tree = json.loads(text)
        found = list(nodes(tree["state"]))
        holder, key = found[rng.integers(len(found))]
        holder[key] = values[rng.integers(len(values))]
        path.write_bytes(signed(tree, arrays))
        try:
            assert np.isfinite(fit(clone(model), MATRIX, checkpoint=path).reconstruction_err_).all()
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 50
    assert all(message.startswith("checkpoint must") for message in messages)


@pytest.mark.parametrize(
    "model",
    [
        hntf.DeepNMF((3, 2)),
        hntf.NMF(3, solver="mu"),
        hntf.NMF(3, solver="hals"),
        hntf.MultiHNTF((3, 2)),
    ],
)
def test_methods_without_a_state_say_so(model, tmp_path):
    with pytest.raises(TypeError, match="checkpoint must be None"):
        model.fit(MATRIX, checkpoint=tmp_path / "fit")


def test_bad_arguments_are_named(tmp_path):
    with pytest.raises(ValueError, match="every"):
        hntf.NMF(3).fit(MATRIX, checkpoint=tmp_path / "fit", every=0)
    with pytest.raises(ValueError, match="every"):
        hntf.NMF(3).fit(MATRIX, every=-3)
    with pytest.raises(OSError, match="checkpoint must be in a folder that exists"):
        hntf.NMF(3).fit(MATRIX, checkpoint=tmp_path / "missing" / "fit")
    for path in (tmp_path, "", True, 5):
        with pytest.raises(ValueError, match="checkpoint must be the path of a file"):
            hntf.NMF(3).fit(MATRIX, checkpoint=path)


def _fit_in_child(name, n_parts, path, started):
    model, X, y = METHODS[name]
    given = X if n_parts == 0 else in_parts("list", X, n_parts, None)
    started.set()
    fit(clone(model), given, y, checkpoint=path, every=1)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "n_kills"), [("NeuralNMF labels", 30), ("HierarchicalNMF", 20)])
def test_killed_at_any_moment(name, n_kills, tmp_path, rng):
    model, X, y = METHODS[name]
    path, processes = tmp_path / "fit", multiprocessing.get_context("fork")
    whole = fit(clone(model), X, y)
    ended = []
    for _ in range(n_kills):
        started = processes.Event()
        child = processes.Process(target=_fit_in_child, args=(name, int(rng.choice([0, 1, 3, 7])), path, started))
        child.start()
        assert started.wait(60)
        time.sleep(rng.uniform(0, 0.2))
        child.kill()
        child.join()
        ended.append(child.exitcode)
    assert set(ended) <= {0, -9}
    assert -9 in ended
    found = fit(clone(model), in_parts("list", X, 2, None), y, checkpoint=path)
    np.testing.assert_allclose(found.reconstruction_err_, whole.reconstruction_err_, rtol=1e-6)


def test_what_killed_processes_left_is_removed(tmp_path, rng):
    path = tmp_path / "fit.checkpoint"
    left, fresh, other = (
        tmp_path / f"{name}.partial" for name in ("fit.checkpoint.123", "fit.checkpoint.124", "x.123")
    )
    for file in (left, fresh, other):
        file.write_bytes(b"half")
    for file in (left, other):
        os.utime(file, (0, 0))
    hntf.NMF(2, max_iter=3, random_state=0).fit(rng.random((9, 6)), checkpoint=path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "fit.checkpoint",
        "fit.checkpoint.124.partial",
        "x.123.partial",
    ]


def test_an_empty_list_in_a_checkpoint_is_named(tmp_path, rng):
    """Of a state that is whole but for it, with a digest of its own."""
    path, X = tmp_path / "fit.checkpoint", rng.random((12, 8))
    model = hntf.NeuralNMF((3, 2), max_iter=4, tol=0.0, random_state=0)
    model.fit(X, checkpoint=path)
    state = unpacked(path.read_bytes(), FORMAT)
    state["stages"][0]["runs"][0]["descent"]["_best_values"] = []
    path.write_bytes(packed(state, FORMAT))
    with pytest.raises(ValueError, match="checkpoint must hold the state of this fit, but not of its _best_values"):
        clone(model).fit(X, checkpoint=path)
