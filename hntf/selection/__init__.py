"""How many components, which levels, whether they come back, and which model: `select_ranks`, `stability`, `compare`.

`select` checks the arguments of `select_ranks` and calls what decides, `result` is what it returns; `candidates` says which ranks
are tried, `problem` and `runner` fit them. `held_out`, `bi_cross_validation` and `thinning` score predictions, in `folds`, and
`from_fits` what fits of all data tell; `decision` says what these recommend. `levels` tests which gatherings of the finest
components are levels, and `hierarchy` chooses by them.
"""

from hntf.selection.comparison import compare
from hntf.selection.result import RankSelection
from hntf.selection.select import select_ranks
from hntf.selection.stability import Stability, stability

__all__ = ["RankSelection", "Stability", "compare", "select_ranks", "stability"]
