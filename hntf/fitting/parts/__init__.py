"""Where the samples of a fit are: nothing above this package asks.

A loss of samples is a sum over samples, so a fit only calls functions of a `Part` and sums their results (`protocol`). What a part
remembers from one pass to the next, codes and supports, stays with it. The samples are in memory (`protocol.InMemory`), are read in
turn from one of the `sources` (`in_turn`), are the chunks of a Dask array (`on_dask`), or are spread over the processes of
`torch.distributed` (`ranks`); `opening` decides which.
"""

from hntf.fitting.parts.part import Part
from hntf.fitting.parts.protocol import START_SAMPLES, InMemory, OfPart, Parts, added, as_parts, stacked

__all__ = ["START_SAMPLES", "InMemory", "OfPart", "Part", "Parts", "added", "as_parts", "stacked"]
