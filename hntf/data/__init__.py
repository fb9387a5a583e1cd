"""Data objects: everything that a fit requires of `X`, one small file for each kind of storage.

`protocol` defines what the maps and losses may ask; `dense`, `sparse` and `weighted` implement it. No module above this folder
depends on whether `X` is sparse, masked, on disk or distributed.
"""

from hntf.data.conversion import as_data
from hntf.data.dense import DenseData
from hntf.data.hold_out import HoldOut
from hntf.data.protocol import Data
from hntf.data.sparse import SparseData
from hntf.data.weighted import WeightedData

__all__ = ["Data", "DenseData", "HoldOut", "SparseData", "WeightedData", "as_data"]
