"""A tree of topics as a static outline in HTML, as notebooks show it."""

from __future__ import annotations

from html import escape

from hntf.trees.topic import Topic, TopicTree, words_of


def outline(tree: TopicTree) -> str:
    """Return nested lists that open and close, the coarsest level open."""
    title = (
        f"<p><b>{escape(tree.modes[tree.mode])}</b></p>" if tree.mode is not None and tree.mode in tree.modes else ""
    )
    notes = "".join(f"<p><small>Note on {escape(note)}</small></p>" for note in tree.notes)
    return f"<div>{title}{''.join(_topic(root, opened=True) for root in tree.roots)}{notes}</div>"


def _topic(topic: Topic, *, opened: bool = False) -> str:
    line = f"<b>{topic.share:.1%}</b> {escape(words_of(topic))}"
    if topic.parents and topic.parents[0][1] < 0.995:
        line += f" <small>({topic.parents[0][1]:.0%} of it here)</small>"
    if not topic.children:
        return f'<div style="margin-left:2.2em">{line}</div>'
    children = "".join(map(_topic, topic.children))
    state = " open" if opened else ""
    return f'<details{state} style="margin-left:1.2em"><summary>{line}</summary>{children}</details>'
