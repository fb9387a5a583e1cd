"""The models that losses are functions of, under the name that users know; `hntf.models` holds all of them."""

from hntf.models import ComponentStacks, GatheredComponents, Hierarchy, Model, SparseCoding, Unrolled

Unfolded = Unrolled
"""The same, by its earlier name."""

__all__ = ["ComponentStacks", "GatheredComponents", "Hierarchy", "Model", "SparseCoding", "Unfolded", "Unrolled"]
