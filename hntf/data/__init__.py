"""Where the numbers live: all that a fit asks of `X`, one small file for each home of data.

`protocol` states what the maps and losses above may ask; `dense`, `sparse` and `weighted` answer it. Nothing above this
folder asks whether `X` is sparse, masked, on disk or distributed.
"""

from hntf.data.conversion import as_data
from hntf.data.dense import DenseData
from hntf.data.protocol import Data
from hntf.data.sparse import SparseData
from hntf.data.weighted import WeightedData

__all__ = ["Data", "DenseData", "SparseData", "WeightedData", "as_data"]
