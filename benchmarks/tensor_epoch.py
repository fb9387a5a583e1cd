"""One epoch of `NeuralNCPD`, loss and all gradients, against the tensor-times-factor products that it cannot avoid.

    python benchmarks/tensor_epoch.py

On the synthetic tensor, 40 × 40 × 40, ranks (7, 4, 2), inside a fit's setting (BLAS held to one thread). Every level has a CP
model of 7 terms and needs the matricised product with every mode. The products are timed as one call a level and mode
(`numpy.tensordot` with the last or the first factor, the heavy part of each), and as they are done here: of all levels and
modes together, two passes over the tensor. Goal: an epoch in at most three times the products.
"""

import numpy as np
from timing import seconds

import hntf
from hntf.datasets import make_hierarchical_tensor
from hntf.fitting.initializers.components import component_stacks
from hntf.fitting.objective import Objective
from hntf.fitting.parts import InMemory
from hntf.losses import Energy
from hntf.models import ComponentStacks
from hntf.threads import single_threaded_blas


def main() -> None:
    X = make_hierarchical_tensor(random_state=0).X
    data = hntf.as_data(X)
    start = next(component_stacks(data, (7, 4, 2), np.random.RandomState(0)))
    model = ComponentStacks(start.base, start.stacks)
    objective = Objective(Energy(), model, InMemory.of(data))
    levels = model.levels
    stacked = model.solve(data).factors

    def one_by_one():
        for U in levels:
            for mode in range(3):
                np.tensordot(X, U[0 if mode == 2 else 2], axes=(0 if mode == 2 else 2, 0))

    def together():
        contracted = data.contract_last(stacked[2])
        for mode in range(3):
            data.mttkrp(stacked, mode, contracted)

    with single_threaded_blas():
        epoch, nine, two = seconds(lambda: objective(objective.start), one_by_one, together, repeats=15)
    print(f"epoch {epoch * 1e3:.2f} ms; nine products one by one {nine * 1e3:.2f} ms, {epoch / nine:.1f} times that; "
          f"together {two * 1e3:.2f} ms, {epoch / two:.1f} times that")  # fmt: skip


if __name__ == "__main__":
    main()
