"""The loop of all fits, on descents of the tests' own and on real ones."""

import signal
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

import hntf
from hntf.estimators.neural import train
from hntf.fitting.initializers import INITIALIZERS
from hntf.fitting.interruption import interruptible
from hntf.fitting.loop import INTERRUPTED, MAX_ITER, STOPPED, STUCK, Descent, Ended, Settings, Solution, joined, run
from hntf.fitting.objective import Evaluation
from hntf.fitting.optimizers import OPTIMIZERS
from hntf.fitting.parts import InMemory
from hntf.models.stack import dense_hierarchy

DATA = hntf.as_data(np.ones((1, 1)))


class Halving(Descent):
    """A descent whose loss is halved by every step, from a given height down to a floor; may raise Ctrl-C in a step."""

    def __init__(self, height, *, floor=0.0, race=None, interrupted_in=None):
        self.height, self.floor = height, floor
        self.race = race
        self.interrupted_in = interrupted_in
        self.n_steps = 0
        self.was_renewed = False

    @property
    def loss(self):
        return self.height

    @property
    def lowest(self):
        return self.height

    def step(self):
        self.n_steps += 1
        if self.n_steps == self.interrupted_in:
            raise KeyboardInterrupt
        self.height = max(0.5 * self.height, self.floor)
        return True

    def ended(self, tol):
        return Ended(True, "low enough") if self.height <= tol else None

    def renewed(self):
        self.was_renewed = True
        return self


def run_all(descents, **settings):
    """Run given descents one after the other as starts."""
    remaining = iter(descents)
    return run(lambda: next(remaining), Settings("", **{"tol": 0.0, "n_init": len(descents), **settings}), DATA, 1)


def test_iterations_and_losses_are_noted_from_the_start_on():
    solution = run_all([Halving(1.0)], max_iter=3)
    assert solution.n_iter == 3
    assert not solution.ended.converged
    assert solution.ended == MAX_ITER
    np.testing.assert_array_equal(solution.history["loss"], [1.0, 0.5, 0.25, 0.125])


def test_a_descent_that_has_converged_ends():
    solution = run_all([Halving(1.0)], max_iter=100, tol=0.1)
    assert solution.n_iter == 4
    assert solution.ended.converged
    assert solution.ended.message == "low enough"


def test_starts_race_and_the_lowest_goes_on_alone():
    # The middle one is the lowest after three steps, though another one would end lower.
    descents = [Halving(8.0, race=3), Halving(4.0, floor=0.2, race=3), Halving(16.0, race=3)]
    solution = run_all(descents, max_iter=10)
    assert solution.found is descents[1]
    assert [descent.n_steps for descent in descents] == [3, 10, 3]
    assert [descent.was_renewed for descent in descents] == [False, True, False]
    assert solution.n_iter == 10
    assert len(solution.history["loss"]) == 11


def test_a_single_start_does_not_race():
    descent = Halving(1.0, race=3)
    assert run_all([descent], max_iter=10).n_iter == 10
    assert not descent.was_renewed


def test_starts_that_do_not_race_all_go_to_their_end():
    descents = [Halving(8.0), Halving(4.0, floor=1.0), Halving(16.0)]
    solution = run_all(descents, max_iter=10)
    assert solution.found is descents[0]
    assert [descent.n_steps for descent in descents] == [10, 10, 10]


def test_iterations_that_went_into_the_start_count():
    descent = Halving(1.0)
    descent.n_screened = 7
    assert run_all([descent], max_iter=3).n_iter == 10


def test_ctrl_c_returns_the_best_so_far():
    solution = run_all([Halving(1.0, interrupted_in=3)], max_iter=10)
    assert solution.ended == INTERRUPTED
    assert not solution.ended.converged
    assert solution.n_iter == 2
    assert solution.found.height == 0.25
    np.testing.assert_array_equal(solution.history["loss"], [1.0, 0.5, 0.25])


def test_ctrl_c_in_a_later_start_returns_the_best_of_all():
    descents = [Halving(1.0), Halving(64.0, interrupted_in=2), Halving(0.0)]
    solution = run_all(descents, max_iter=5)
    assert solution.found is descents[0]
    assert solution.ended == INTERRUPTED
    assert [descent.n_steps for descent in descents] == [5, 2, 0]


def test_ctrl_c_while_the_first_start_is_drawn_is_raised_and_later_is_not():
    def drawn():
        yield Halving(1.0)
        raise KeyboardInterrupt

    starts = drawn()
    solution = run(lambda: next(starts), Settings("", max_iter=3, tol=0.0, n_init=2), DATA, 1)
    assert solution.ended == INTERRUPTED
    assert solution.found.height == 0.125

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(interrupted, Settings("", max_iter=3, tol=0.0), DATA, 1)


@pytest.mark.parametrize("solver", list(OPTIMIZERS))
def test_ctrl_c_in_an_evaluation_returns_the_best_point(solver):
    curvatures, values = np.array([1.0, 4.0, 20.0]), []

    def objective(x):
        if len(values) == 7:
            raise KeyboardInterrupt
        values.append(0.5 * float(curvatures @ (x - 1) ** 2))
        return Evaluation(x, values[-1], curvatures * (x - 1))

    settings = Settings(solver, max_iter=100, tol=0.0)
    solution = run(lambda: OPTIMIZERS[solver](objective, np.array([3.0, 5.0, 2.0])), settings, DATA, 1)
    assert solution.ended == INTERRUPTED
    assert 0.5 * float(curvatures @ (solution.found - 1) ** 2) == min(values) < values[0]


def test_a_callback_that_returns_true_stops():
    told = []

    def callback(progress):
        told.append(progress)
        return progress.start == 1 and progress.n_iter == 2

    descents = [Halving(1.0), Halving(0.5), Halving(0.0)]
    solution = run_all(descents, max_iter=4, callback=callback)
    assert solution.ended == STOPPED
    assert not solution.ended.converged
    assert solution.found is descents[0]
    assert [(progress.start, progress.n_iter, progress.loss) for progress in told[-3:]] == [
        (1, 0, 0.5),
        (1, 1, 0.25),
        (1, 2, 0.125),
    ]
    assert len(told) == 5 + 3
    assert {progress.n_starts for progress in told} == {3}


def test_a_callback_may_stop_before_the_first_iteration():
    descent = Halving(1.0)
    solution = run_all([descent], max_iter=4, callback=lambda progress: True)
    assert solution.ended == STOPPED
    assert solution.n_iter == descent.n_steps == 0


def test_a_progress_bar_is_shown_where_asked(capsys):
    run_all([Halving(1.0), Halving(2.0)], max_iter=3, verbose=True)
    shown = capsys.readouterr().err
    assert "fit 1/2" in shown
    assert "fit 2/2" in shown
    assert "3/3" in shown
    assert "loss=0.125" in shown
    run_all([Halving(1.0)], max_iter=3)
    assert capsys.readouterr().err == ""


ESTIMATORS = [
    hntf.NMF(2),
    hntf.NMF(2, solver="hals"),
    hntf.NMF(2, solver="mu"),
    hntf.HierarchicalNMF((2, 1)),
    hntf.NCPD(2),
    hntf.NTD(2),
    hntf.DeepSemiNMF((2, 1)),
    hntf.NeuralNMF((2, 1)),
    hntf.NeuralNMF((2, 1), solver="projected_gradient"),
    hntf.NeuralNMF((2, 1), solver="adam"),
    hntf.NeuralNMF((2, 1), batch_size=4),
    hntf.NeuralNTF((2, 1)),
    hntf.NeuralNCPD((2, 1)),
    hntf.MultiHNTF((2, 1)),
    hntf.NeuralNTF(((2,), (1,))),
    hntf.UnfoldedNMF(2),
    hntf.DeepNMF((2, 1)),
    hntf.SSNMF(2),
    hntf.MultilayerSparseCoding((2, 1)),
    hntf.HierarchicalNCPD((2, 1)),
    hntf.MultilayerNTF((2, 1)),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_all_zero_data_converge_without_a_warning(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = estimator.set_params(random_state=0).fit(np.zeros((8, 6)))
    np.testing.assert_array_equal(model.reconstruction_err_, 0.0)


@pytest.mark.parametrize(
    "estimator",
    [
        hntf.NMF(2),
        hntf.NMF(2, solver="hals"),
        hntf.NCPD(2),
        hntf.NTD(2),
        hntf.NeuralNMF((2, 2)),
        hntf.NeuralNMF((2,), solver="projected_gradient"),
        hntf.NeuralNTF((2,)),
        hntf.NeuralNCPD((2, 2)),
    ],
    ids=repr,
)
def test_an_exact_fit_converges_without_a_warning(estimator):
    # Two blocks: every method finds them to the last digit.
    X = np.kron(np.eye(2), np.ones((4, 3))) * np.arange(1.0, 9.0)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = estimator.set_params(random_state=0).fit(X)
    assert np.all(model.reconstruction_err_ < 1e-6)


def test_a_loss_of_zero_is_converged():
    X = np.kron(np.eye(2), np.ones((4, 3)))
    exact = dense_hierarchy([np.kron(np.eye(2), np.ones((3, 1)))])
    for solver in OPTIMIZERS:
        settings = Settings(solver, max_iter=20, tol=1e-9)
        solution = train(lambda: exact, hntf.losses.Energy(), settings, InMemory.of(hntf.as_data(X)), 2)
        assert solution.ended.converged
        assert solution.n_iter == 0


def stuck_at(gradient):
    """Return the solution of a fit on a function whose gradient does not tell where it falls, of this size."""

    def objective(x):
        return Evaluation(x, 1.0, gradient * np.ones_like(x))

    settings = Settings("lbfgs", max_iter=100, tol=1e-3)
    return run(lambda: OPTIMIZERS["lbfgs"](objective, np.ones(4) / 2), settings, DATA, 1)


def test_a_descent_that_is_stuck_at_a_large_projected_gradient_is_not_converged():
    solution = stuck_at(-3.0)
    assert solution.ended.message == STUCK.message
    assert not solution.ended.converged
    with pytest.warns(ConvergenceWarning, match="Try another start"):
        solution.warn_unless_converged(1e-3)


def test_a_descent_that_is_stuck_at_a_small_projected_gradient_is_at_a_kink():
    solution = stuck_at(-0.01)
    assert solution.ended.message == STUCK.message
    assert solution.ended.converged


def test_levels_fitted_one_after_the_other_have_converged_where_all_have():
    first = Solution("first", 3, MAX_ITER, {"loss": np.array([1.0, 0.5])})
    second = Solution("second", 4, Ended(True, "done"), {"loss": np.array([0.4])})
    both = joined([first, second])
    assert both.found == "second"
    assert both.n_iter == 7
    assert both.ended == MAX_ITER
    assert not both.ended.converged
    np.testing.assert_array_equal(both.history["loss"], [1.0, 0.5, 0.4])
    assert joined([second, second]).ended.converged


def test_both_backends_take_one_path(rng):
    """The fit itself, written once, on arrays and on tensors."""
    X = rng.random((30, 4)) @ rng.random((4, 20))
    settings = Settings("lbfgs", 30, 1e-3)
    fits = []
    for data in (hntf.as_data(X), hntf.as_data(torch.tensor(X))):
        start = dense_hierarchy(INITIALIZERS["levels"](data, (4, 2), np.random.RandomState(0)))
        fits.append(train(lambda start=start: start, hntf.losses.Energy(), settings, InMemory.of(data), rank=4))
    assert isinstance(fits[1].found.factors[0], torch.Tensor)
    np.testing.assert_allclose(fits[0].history["loss"][-1], fits[1].history["loss"][-1], rtol=1e-4)


def test_a_fit_without_a_progress_bar_takes_no_lock_of_tqdm(monkeypatch):
    def refuse(*args, **options):
        raise AssertionError("a fork that is killed may hold the lock forever")

    monkeypatch.setattr("hntf.fitting.report.tqdm", refuse)
    hntf.NMF(2, random_state=0).fit(np.random.default_rng(0).random((9, 6)))


class KeptStates:
    """A checkpoint in memory, and its only stage."""

    every = 1

    def __init__(self):
        self.states = {}

    def stage(self):
        return self

    def of_run(self, index):
        return self.states.get(index)

    def keep(self, index, state):
        self.states[index] = state


def test_a_start_that_was_cut_short_is_not_kept():
    """The same call would draw another one, from which it ends elsewhere; those that were drawn whole are kept."""
    kept, drawn = KeptStates(), iter(range(3))

    def start():
        if next(drawn) == 1:
            signal.raise_signal(signal.SIGINT)
        descent = Halving(8.0)
        descent.state = dict
        return descent

    with interruptible():
        solution = run(start, Settings("", tol=0.0, n_init=3, max_iter=4, checkpoint=kept), DATA, 1)
    assert solution.ended == INTERRUPTED
    assert list(kept.states) == [0]
