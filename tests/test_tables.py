"""Numbers in tables can be told apart, whatever their size."""

import numpy as np
import pytest

from hntf.tables import Table


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.566, 0.00712, 0.00708], ["0.56600", "0.00712", "0.00708"]),  # as of a tensor whose errors decide
        ([-4619.241, -11000.0], ["-4619", "-11000"]),
        ([2.9e4, 0.343], ["29000.000", "0.343"]),
        ([1950.81, 0.0009], ["1.95e+03", "0.0009"]),
        ([0.0, float("nan"), float("inf")], ["0.000", "nan", "inf"]),
        ([None, 1e-9], ["", "1e-09"]),
        ([1, 20, "a", True], ["1", "20", "a", "True"]),
        ([], []),
    ],
)
def test_a_column_has_the_decimals_that_its_smallest_number_needs(values, shown):
    lines = str(Table({"x": values})).splitlines()
    assert [line.strip() for line in lines] == ["x", *shown]


def test_a_notebook_shows_the_same():
    html = Table({"<x>": [np.float32(0.5), 0.25], "y": [1, None]})._repr_html_()
    assert "<th>&lt;x&gt;</th>" in html
    assert "<tr><td>0.500</td><td>1</td></tr><tr><td>0.250</td><td></td></tr>" in html
