"""What the structure promises: shallow classes, one model a fitted estimator, a core that trusts its input."""

import inspect
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import hntf
import hntf.estimators
import hntf.models
import hntf.validation
from hntf.costs import Energy
from hntf.fitting.objective import Objective
from hntf.fitting.parts import InMemory
from hntf.models import Model, Trainable
from tests.estimators.catalogue import CASES, parameters


def ours_above(cls):
    return [base for base in cls.__mro__[1:] if base.__module__.startswith("hntf")]


PUBLIC = [
    *(getattr(hntf.estimators, name) for name in hntf.estimators.__all__),
    *(getattr(hntf.models, name) for name in hntf.models.__all__),
]


@pytest.mark.parametrize("cls", PUBLIC)
def test_at_most_three_classes_stand_above(cls):
    assert len(ours_above(cls)) <= 3


@pytest.mark.parametrize("case", parameters(CASES))
def test_a_fitted_estimator_keeps_one_model(case):
    kept = [value for value in vars(case.fit()).values() if isinstance(value, Model)]
    assert len(kept) == 1


def trainable():
    rng = np.random.default_rng(0)
    X, T = rng.random((20, 9)), rng.random((6, 5, 4))
    for model in (
        hntf.NeuralNMF((3, 2), max_iter=2),
        hntf.NeuralNMF((3, 2), max_iter=2, code_l1=0.1, factor_l2=0.1),
        hntf.UnfoldedNMF(3, n_steps=4, max_iter=2),
        hntf.UnfoldedNMF(3, n_steps=4, beta=1, max_iter=2),
        hntf.MultilayerSparseCoding((4, 2), max_iter=2),
        hntf.NeuralNCPD((3, 2), n_init=1, max_iter=2),
        hntf.MultiHNTF((3, 2), n_init=1, max_iter=2),
        hntf.NeuralNTF((3, 2), max_iter=2),
        hntf.NeuralNTF(((3, 2), (2, 2)), max_iter=2),
    ):
        data = X if "NMF" in type(model).__name__ or "Sparse" in type(model).__name__ else T
        yield pytest.param(model.set_params(random_state=0), data, id=str(model))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("estimator", "X"), list(trainable()))
def test_an_evaluation_validates_nothing(estimator, X):
    model = estimator.fit(X).model_
    assert isinstance(model, Trainable)
    objective = Objective(Energy(), model, InMemory.of(hntf.as_data(X)))
    start = objective.start
    functions = inspect.getmembers(hntf.validation, inspect.isfunction)
    checks = {f.__code__.co_name for _, f in functions if f.__module__ == "hntf.validation"}
    called = set()
    sys.setprofile(lambda frame, event, argument: called.add(frame.f_code) if event == "call" else None)
    try:
        objective(start)
    finally:
        sys.setprofile(None)
    assert Path(objective.__call__.__code__.co_filename) in {Path(code.co_filename) for code in called}
    assert not {code.co_name for code in called if code.co_filename.endswith("validation.py")} & checks


KINDS = (
    r"isinstance\([^()]*\b(\w*Data|InMemory|InTurn|OnDask|AcrossRanks|Parts)\b"
    r"|issparse|is_sparse_tensor|is_dask|memmap|\bdask\b|zarr"
)
EDGE = "estimators/inputs.py"
"""Where arrays of users become data."""


def test_nothing_above_data_and_parts_asks_what_kind_of_data_there_is():
    root = Path(hntf.__file__).parent
    above = [
        path
        for folder in ("maps", "layers.py", "costs", "models", "fitting", "estimators", "trees")
        for path in ([root / folder] if folder.endswith(".py") else (root / folder).rglob("*.py"))
    ]
    asking = [
        f"{path.relative_to(root)}:{number}"
        for path in above
        if "parts" not in path.parts and path.relative_to(root).as_posix() != EDGE
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(KINDS, line) and '"""' not in line
    ]
    assert len(above) > 50
    assert asking == []
