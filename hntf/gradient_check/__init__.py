"""Comparison of analytic gradients with central differences.

- `check`: `gradcheck`, which goes over the entries of all inputs and judges them;
- `differences`: the derivative of a function by differences, with the error of that derivative;
- `functions`: layers, models, maps, losses, modules and callables as functions of arrays;
- `report`: the result.

A nonnegative least-squares solution has no derivative where its support changes. The check records the supports of all problems
that are solved at the points of a difference, so that a mismatch at a kink can be distinguished from an error in the gradient.
"""

from hntf.gradient_check.check import gradcheck
from hntf.gradient_check.report import GradcheckReport, Worst

__all__ = ["GradcheckReport", "Worst", "gradcheck"]
