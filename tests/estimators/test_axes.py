"""Names of samples, features and modes go through fits, and data whose names differ are put in order or refused."""

import numpy as np
import pandas
import polars
import pytest
import xarray

import hntf

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def cube():
    X = np.random.default_rng(0).random((6, 5, 4))
    coordinates = {"patient": [f"p{i}" for i in range(6)], "time": range(5), "gene": list("abcd")}
    return xarray.DataArray(X, dims=("patient", "time", "gene"), coords=coordinates)


@pytest.mark.parametrize(
    "estimator", [hntf.NCPD(2), hntf.NeuralNTF((3, 2)), hntf.NTD((2, 2, 2)), hntf.MultiHNTF((3, 2))]
)
def test_dimensions_in_another_order_are_put_in_order(estimator):
    X = cube()
    model = estimator.set_params(random_state=0, max_iter=20).fit(X)
    assert [axis.name for axis in model.axes_] == ["patient", "time", "gene"]
    expected = model.transform(X.values)
    for order in (("gene", "time", "patient"), ("time", "patient", "gene")):
        np.testing.assert_array_equal(model.transform(X.transpose(*order)), expected)
    assert model.score(X.transpose("gene", "time", "patient")) == model.score(X)
    tree = model.tree(mode=2, n_words=1) if model.n_levels_ > 1 else model.tree(n_words=1)
    assert set(tree.levels[0][0].words) <= set("abcd") | set("01234")
    assert tree.levels[0][0].samples[0][0].startswith("p")
    assert "gene" in tree.modes.values()


def test_other_dimensions_and_other_entries_are_refused():
    X = cube()
    model = hntf.NCPD(2, random_state=0, max_iter=20).fit(X)
    with pytest.raises(ValueError, match=r"dimensions \('patient', 'time', 'gene'\).*got \('patient', 'day', 'gene'\)"):
        model.transform(X.rename(time="day"))
    with pytest.raises(ValueError, match=r"mode 2 \(gene\).*a, b, c.*got d, c, b"):
        model.transform(X.isel(gene=[3, 2, 1, 0]))
    assert model.transform(X.isel(patient=[1])).shape == (1, 2)  # other samples are what it is for


def test_a_mask_in_another_order_is_put_in_order():
    X = cube()
    observed = X > 0.3
    expected = hntf.NCPD(2, random_state=0, max_iter=20).fit(X.values, mask=observed.values)
    found = hntf.NCPD(2, random_state=0, max_iter=20).fit(X, mask=observed.transpose("gene", "patient", "time"))
    np.testing.assert_array_equal(found.codes_[0], expected.codes_[0])
    with pytest.raises(ValueError, match="mask must have the dimensions"):
        hntf.NCPD(2).fit(X, mask=observed.rename(gene="protein"))


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames_keep_names_through_to_tables(kind):
    X = np.random.default_rng(0).random((6, 3))
    columns, index = ["red", "green", "blue"], [f"s{i}" for i in range(6)]
    frame = (
        pandas.DataFrame(X, index, columns)
        if kind == "pandas"
        else polars.DataFrame(dict(zip(columns, X.T, strict=True)))
    )
    model = hntf.NMF(2, random_state=0).fit(frame)
    assert list(model.axes_[1].labels) == columns
    table = model.to_pandas(mode=1)
    assert list(table.index) == columns
    assert list(table.columns) == ["nmf0", "nmf1"]
    np.testing.assert_array_equal(table.to_numpy(), model.components_[0].T)
    codes = model.to_pandas()
    assert list(codes.index) == (index if kind == "pandas" else list(range(6)))
    np.testing.assert_array_equal(codes.to_numpy(), model.codes_[0])


@pytest.mark.parametrize(
    "index",
    [
        pandas.date_range("2020-01-01", periods=6),
        pandas.Index([5, 3, 9, 1, 7, 2]),
        pandas.RangeIndex(5, 11),
        pandas.MultiIndex.from_product([["a", "b"], [1, 2, 3]]),
        pandas.CategoricalIndex(list("abcdef")),
    ],
)
def test_any_index_joins_its_codes(index, tmp_path):
    frame = pandas.DataFrame(np.random.default_rng(0).random((6, 3)), index, ["red", "green", "blue"])
    model = hntf.NMF(2, random_state=0).fit(frame)
    joined = frame.join(model.to_pandas())
    np.testing.assert_array_equal(joined[["nmf0", "nmf1"]].to_numpy(), model.codes_[0])
    assert model.tree().roots[0].samples[0][0] in [str(name).removesuffix(" 00:00:00") for name in index]
    model.save(tmp_path / "model", codes=True)
    assert len(hntf.load(tmp_path / "model").axes_[0].labels) == 6


def test_a_mask_of_other_entries_is_refused():
    frame = pandas.DataFrame(np.random.default_rng(0).random((6, 3)), list("uvwxyz"), ["red", "green", "blue"])
    mask = frame > 0.2
    hntf.NMF(2, random_state=0).fit(frame, mask=mask)
    for wrong in (mask[["green", "red", "blue"]], mask.iloc[::-1], mask.rename(columns={"red": "pink"})):
        with pytest.raises(ValueError, match="mask must have the entries of mode"):
            hntf.NMF(2).fit(frame, mask=wrong)
    X = cube()
    with pytest.raises(ValueError, match="mask must have the entries of mode 0"):
        hntf.NCPD(2).fit(X, mask=(X > 0.3).isel(patient=slice(None, None, -1)))


def test_metrics_put_dimensions_in_order():
    X = cube()
    model = hntf.NCPD(2, random_state=0, max_iter=20).fit(X)
    other = X.transpose("gene", "time", "patient")
    for mode in range(3):
        np.testing.assert_allclose(
            hntf.metrics.residuals(model, other, mode=mode), hntf.metrics.residuals(model, X, mode=mode)
        )
    for metric in (hntf.metrics.core_consistency, hntf.metrics.relative_error):
        assert metric(model, other) == pytest.approx(metric(model, X))


def test_tables_of_a_tensor():
    X = cube()
    model = hntf.MultiHNTF((3, 2), random_state=0, max_iter=20).fit(X)
    table = model.to_pandas(0, mode=2)
    assert (list(table.index), table.index.name) == (list("abcd"), "gene")
    assert list(table.columns) == [f"multihntf_level0_{i}" for i in range(3)]
    np.testing.assert_array_equal(table.to_numpy(), model.components_[0][2].T)
    np.testing.assert_array_equal(model.to_pandas(0).to_numpy(), model.codes_[0])
    with pytest.raises(ValueError, match="mode must be from -3 to 2"):
        model.to_pandas(mode=3)


def test_a_mask_with_numbers_in_another_order_is_refused(rng):
    """Samples without names are numbered, also those of a plain array: a mask in another order was taken by position."""
    frame = pandas.DataFrame(rng.random((10, 4)))
    observed = pandas.DataFrame(rng.random((10, 4)) < 0.8)
    hntf.NMF(2, random_state=0).fit(frame.to_numpy(), mask=observed.set_axis(range(2001, 2011)))
    for X in (frame, frame.to_numpy()):
        hntf.NMF(2, random_state=0).fit(X, mask=observed)
        with pytest.raises(ValueError, match="mask must have the entries of mode 0 named and ordered as X"):
            hntf.NMF(2, random_state=0).fit(X, mask=observed[::-1])
        with pytest.raises(ValueError, match="weights must have the entries of mode 0 named and ordered as X"):
            hntf.NMF(2, random_state=0).fit(X, weights=1.0 * observed.sample(frac=1.0, random_state=0))
