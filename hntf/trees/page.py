"""The interactive page of one or several trees: `page.html` with the trees as JSON in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from hntf.trees.topic import TopicTree


def page(trees: Sequence[TopicTree], title: str) -> str:
    """Return a self-contained page with the trees side by side."""
    template = files("hntf.trees").joinpath("page.html").read_text(encoding="utf-8")
    # "<" could end the script that holds the data, or begin a comment in it.
    data = json.dumps([tree.to_dict() for tree in trees], ensure_ascii=False).replace("<", "\\u003c")
    return template.replace("{{title}}", escape(title)).replace("{{trees}}", data)
