"""Every plot draws what the model holds, names what the data name, and shows itself in a notebook."""

import numpy as np
import pandas
import pytest
import scipy.sparse
import sparse

import hntf
from hntf import plot
from hntf.datasets import make_hierarchical_blocks, make_hierarchical_tensor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BLOCKS, CLASSES, GROUPS, _ = make_hierarchical_blocks(random_state=0)


@pytest.fixture(scope="module")
def fitted():
    return hntf.NeuralNMF((9, 4, 2), random_state=0).fit(BLOCKS)


@pytest.fixture(scope="module")
def of_tensor():
    X = make_hierarchical_tensor(noise=0.1, random_state=0).X[:20, :20, :20]
    return hntf.NeuralNCPD((4, 2), max_iter=30, random_state=0).fit(X), X


def png(shown):
    assert shown._repr_png_().startswith(b"\x89PNG")


def test_components_of_a_matrix(fitted):
    grid = plot.components(fitted, 1)
    for row, component in zip(grid, fitted.components_[1], strict=True):
        np.testing.assert_array_equal(row[0].lines[0].get_ydata(), component)
    png(grid)
    png(grid[0][0])
    assert grid[0][0].get_title() == "feature"


def test_components_of_every_kind(of_tensor):
    model, _ = of_tensor
    names = {1: [f"gene{i}" for i in range(20)]}
    grid = plot.components(model, 0, names=names, shapes={2: (4, 5)})
    assert (len(grid), len(grid[0])) == (4, 2)
    heights = [bar.get_height() for bar in grid[2][0].patches]
    np.testing.assert_allclose(heights, model.components_[0][1][2])
    assert [tick.get_text() for tick in grid[3][0].get_xticklabels()] == names[1]
    np.testing.assert_array_equal(grid[2][1].images[0].get_array(), model.components_[0][2][2].reshape(4, 5))
    lines = plot.components(model, 0, kinds={1: "line"}, values={1: np.linspace(400, 700, 20)})
    assert lines[0][0].lines[0].get_xdata()[-1] == 700
    with pytest.raises(ValueError, match="each of kinds must be"):
        plot.components(model, kinds={1: "pie"})
    with pytest.raises(ValueError, match="shapes must hold the height and width of the images of mode 1"):
        plot.components(model, kinds={1: "image"})


def test_names_of_the_data_are_drawn():
    frame = pandas.DataFrame(
        BLOCKS[:, :10], columns=[f"gene{i}" for i in range(10)], index=[f"cell{i}" for i in range(90)]
    )
    model = hntf.NMF(2, random_state=0).fit(frame)
    ticks = [tick.get_text() for tick in plot.components(model)[-1][0].get_xticklabels()]
    assert ticks == list(frame.columns)
    assert all(tick.get_text().startswith("cell") for tick in plot.codes(model).get_yticklabels())
    assert any(text.get_text().startswith("cell") for text in plot.outliers(model, frame).texts)
    assert [tick.get_text() for tick in plot.residuals(model, frame, mode=1).get_xticklabels()] == list(frame.columns)


def test_names_are_no_formulas(tmp_path):
    frame = pandas.DataFrame(BLOCKS[:, :6], columns=[r"$\frac0$", "a$b$c", *"wxyz"])
    model = hntf.NeuralNMF((3, 2), max_iter=20, random_state=0).fit(frame)
    tree = model.tree(n_words=6)
    for ax in (
        plot.tree(tree),
        plot.flow(tree, n_words=6),
        plot.components(model),
        plot.residuals(model, frame, mode=1),
    ):
        png(ax)
    tree.rename({(2, 0): "my name"})
    assert any("my name" in text.get_text() for text in plot.tree(tree).texts)


def test_what_cannot_be_drawn_is_said(fitted, tmp_path):
    fitted.save(tmp_path / "model")
    loaded = hntf.load(tmp_path / "model")
    for call, message in (
        (lambda: plot.codes(loaded), "model must have its codes"),
        (lambda: plot.memberships(fitted, 0), "level must be from 1"),
        (lambda: plot.components(fitted, 9), "level must be an integer from -3 to 2"),
        (lambda: plot.errors(fitted, np.where(BLOCKS > 4, np.nan, BLOCKS)), "X contains NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert not plot.codes(fitted).get_yticks().size


def test_codes_by_groups(fitted):
    ax = plot.codes(fitted, groups=GROUPS)
    shown = ax.images[0].get_array()
    S = fitted.codes_[0] / fitted.codes_[0].max(axis=0)
    np.testing.assert_allclose(np.sort(shown, axis=0), np.sort(S, axis=0))
    np.testing.assert_allclose(shown[: np.sum(GROUPS == 0)].sum(0), S[GROUPS == 0].sum(0))
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0", "1", "2", "3"]
    png(ax)


def test_memberships_are_fractions(fitted, of_tensor):
    shown = plot.memberships(fitted, 1).images[0].get_array()
    np.testing.assert_allclose(shown.sum(axis=1), 1.0)
    masses = fitted.memberships_[1] * fitted.codes_[1].sum(0)
    np.testing.assert_allclose(shown, masses / masses.sum(1, keepdims=True))
    assert plot.memberships(of_tensor[0], 1, mode=2).images[0].get_array().shape == (4, 2)


def test_convergence_and_errors(fitted):
    ax = plot.convergence(fitted)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), fitted.history_["loss"])
    assert len(plot.convergence(hntf.NMF(2, solver="mu", random_state=0).fit(BLOCKS)).lines) == 1
    for X in (BLOCKS, scipy.sparse.csr_array(BLOCKS)):
        ax = plot.errors(fitted, X)
        sizes = np.linalg.svd(BLOCKS, compute_uv=False)
        bounds = [np.sqrt((sizes[k:] ** 2).sum() / (sizes**2).sum()) for k in (9, 4, 2)]
        np.testing.assert_allclose(ax.lines[-1].get_ydata(), bounds, rtol=1e-6)
        assert (ax.lines[0].get_ydata() >= np.array(bounds) - 1e-9).all()


def test_matched_components(fitted):
    other = hntf.NMF(9, random_state=0).fit(BLOCKS)
    grid = plot.matched(fitted, other, names=("hierarchy", "flat"))
    assert (len(grid), len(grid[0])) == (9, 2)
    score = hntf.metrics.factor_match_score(fitted, other)
    assert f"{score:.3f}" in grid.figure.get_suptitle()
    png(plot.matched(fitted, hntf.NMF(3, random_state=0).fit(BLOCKS)))


def test_a_flow_is_as_wide_as_its_mass(fitted):
    from matplotlib.patches import PathPatch, Rectangle

    tree = fitted.tree(n_words=2)
    ax = plot.flow(tree)
    boxes = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    bands = [patch for patch in ax.patches if isinstance(patch, PathPatch)]
    assert len(boxes) == 15
    assert len(bands) == sum(part >= 0.02 for topic in tree for _, part in topic.parents)
    widths = sorted(box.get_height() for box in boxes if box.get_x() == 0)
    np.testing.assert_allclose(np.array(widths) / sum(widths), sorted(root.share for root in tree.roots))
    for topic in tree.levels[0]:
        assert any(" ".join(topic.words[:2]) in text.get_text() for text in ax.texts)
    png(ax)


@pytest.mark.parametrize("kind", ["dense", "sparse", "tensor"])
@pytest.mark.parametrize("mode", [0, 1, -1])
def test_residuals_and_leverage(kind, mode, fitted, of_tensor):
    model, X = of_tensor if kind == "tensor" else (fitted, BLOCKS)
    given = scipy.sparse.csr_array(X) if kind == "sparse" else X
    for level in range(2):
        found = hntf.metrics.residuals(model, given, mode=mode, level=level)
        rebuilt = model.inverse_transform(model.transform(X, level), level)
        others = tuple(i for i in range(X.ndim) if i != mode % X.ndim)
        expected = np.sqrt(((X - rebuilt) ** 2).sum(axis=others) / (X**2).sum(axis=others))
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
        weights = hntf.metrics.leverage(model, mode=mode, level=level)
        assert weights.shape == (X.shape[mode],)
        assert (weights <= 1 + 1e-12).all()
        assert weights.sum() == pytest.approx(np.linalg.matrix_rank(hntf.metrics.inputs.factors_of(model, level)[mode]))
    png(plot.residuals(model, given, mode=mode))
    png(plot.outliers(model, given, mode=mode))


@pytest.mark.slow
def test_residuals_of_sparse_tensors():
    rng = np.random.default_rng(0)
    X = rng.random((8, 7, 6)) * (rng.random((8, 7, 6)) < 0.3)
    index = np.nonzero(X)
    for model in (hntf.NCPD(3), hntf.NeuralNTF((3, 2)), hntf.NeuralNCPD((3, 2)), hntf.MultiHNTF((3, 2))):
        model.set_params(random_state=0, max_iter=30).fit(X)
        for mode in range(3):
            for level in range(model.n_levels_):
                expected = hntf.metrics.residuals(model, X, mode=mode, level=level)
                for given in (sparse.COO(X), (np.array(index), X[index], X.shape)):
                    found = hntf.metrics.residuals(model, given, mode=mode, level=level)
                    np.testing.assert_allclose(found, expected, rtol=1e-5)
    tucker = hntf.NTD((2, 2, 2), random_state=0, max_iter=30).fit(X)
    with pytest.raises(ValueError, match="CP decomposition"):
        hntf.metrics.residuals(tucker, sparse.COO(X))


def test_residuals_look_at_what_is_observed():
    X = BLOCKS.copy()
    X[3, 4] = np.nan
    model = hntf.NMF(9, random_state=0).fit(X, mask="nan")
    found = hntf.metrics.residuals(model, X, mask="nan")
    assert np.isfinite(found).all()
    X[3, 4] = 1e9
    mask = np.ones(X.shape, bool)
    mask[3, 4] = False
    np.testing.assert_allclose(hntf.metrics.residuals(model, X, mask=mask), found)
    with pytest.raises(ValueError, match="mode must be from -2 to 1"):
        hntf.metrics.residuals(model, BLOCKS, mode=2)
