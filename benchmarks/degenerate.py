"""Degenerate problems by the hundred thousand: solutions, supports, first and second derivatives, judged as the tests judge them.

Every kind of matrix (low rank, twins, near twins, zeros, integers, more columns than rows) is drawn equally often, with all kinds
of right-hand sides, penalties and weights, and given to `nnls`, `nnls_gram`, the layer and `hntf.torch.nnls`.

    python -m benchmarks.degenerate --draws 100000     # 40 minutes on one core
"""

import argparse

import numpy as np
import torch

from tests.least_squares.test_degenerate import MATRICES, assert_draws_are_exact


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=8_000)
    parser.add_argument("--block", type=int, default=100, help="draws between two failures that are counted apart")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    blocks = arguments.draws // (len(MATRICES) * arguments.block)
    for matrix in MATRICES:
        failures = []
        for seed in np.random.SeedSequence(1).generate_state(blocks).tolist():
            try:
                assert_draws_are_exact(matrix, arguments.block, seed)
            except AssertionError as error:
                failures.append(error)
        print(f"{matrix.__name__}: {blocks * arguments.block} draws, {len(failures)} blocks with a failure", flush=True)
        for error in failures:
            print("   ", *getattr(error, "__notes__", ()), flush=True)


if __name__ == "__main__":
    main()
