"""The processes of `torch.distributed` that fit together."""

from __future__ import annotations

import sys
from typing import Any


def distributed() -> Any:
    """Return `torch.distributed` in a process that is one of several in a group; None otherwise."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.distributed.is_available() or not torch.distributed.is_initialized():
        return None
    return torch.distributed if torch.distributed.get_world_size() > 1 else None
