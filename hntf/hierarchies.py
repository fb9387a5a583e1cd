"""The models to which losses apply, as users import them; `hntf.models` has all models."""

from hntf.models import ComponentStacks, GatheredComponents, Hierarchy, Model, SparseCoding, Unrolled

Unfolded = Unrolled
"""The earlier name of `Unrolled`."""

__all__ = ["ComponentStacks", "GatheredComponents", "Hierarchy", "Model", "SparseCoding", "Unfolded", "Unrolled"]
