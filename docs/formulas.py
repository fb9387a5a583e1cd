"""Formulas in docstrings as MathML, which browsers draw without a script from elsewhere."""

import re
from typing import Any

import griffe
from latex2mathml.converter import convert

FORMULA = re.compile(r"^( *)\.\. math:: (.*(?:\n\1 +\S.*)*)", re.MULTILINE)


class Formulas(griffe.Extension):
    """Replaces `.. math::` in docstrings."""

    def on_object(self, *, obj: griffe.Object, loader: Any, **_: Any) -> None:
        """Rewrite the docstring of an object."""
        if obj.docstring is not None:
            obj.docstring.value = FORMULA.sub(as_mathml, obj.docstring.value)


def as_mathml(found: re.Match[str]) -> str:
    """Return a formula as a block of MathML."""
    indent, latex = found.groups()
    latex = " ".join(latex.split())
    return f'{indent}<div class="formula" markdown="0">{convert(latex, display="block")}</div>'
