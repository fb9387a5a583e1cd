"""The layer on a GPU against the same on the CPU: forward from no support and from a known one, backward, and both results.

    python benchmarks/gpu.py [--device cuda]

Solution, support and gradients must be on the device. Problems that the search there hands to the one on the CPU (singular ones,
and those that it does not finish) are counted. Without a GPU, `--device cpu` runs the same program, to see that it does.
"""

import argparse
import sys
from contextlib import contextmanager

import torch
from timing import seconds

import hntf
from hntf.least_squares import portable, solver

SIZES = [(2_000, 500, 20), (50_000, 200, 20), (500, 100, 50), (20_000, 100, 50)]
"""Samples, features and components."""


@contextmanager
def counted_hard_rows():
    """Count the rows that the portable search leaves to the compiled one, while the block runs."""
    counts = [0, 0]
    search = portable.block_pivoting

    def counting(G, C, support, max_iterations):
        S, found, iterations = search(G, C, support, max_iterations)
        counts[0] += int((iterations < 0).sum())
        counts[1] += len(C)
        return S, found, iterations

    portable.block_pivoting = solver.portable.block_pivoting = counting
    try:
        yield counts
    finally:
        portable.block_pivoting = solver.portable.block_pivoting = search


def measure(n: int, m: int, k: int, device: str) -> tuple[list[float], torch.Tensor, torch.Tensor]:
    """Return the times of forward, warm forward and backward, the solution, and the gradient with respect to the dictionary."""
    generator = torch.Generator().manual_seed(0)
    X, A = (torch.rand(*shape, generator=generator, dtype=torch.float64).to(device) for shape in ((n, m), (m, k)))
    A.requires_grad_()
    S, info = hntf.torch.nnls(X, A, return_info=True)
    assert S.device == A.device == info.support.device
    (gradient,) = torch.autograd.grad(S.square().sum(), A, retain_graph=True)
    assert gradient.device == A.device

    def timed(function):
        def run():
            function()
            if device.startswith("cuda"):
                torch.cuda.synchronize(device)

        return run

    times = seconds(
        timed(lambda: hntf.torch.nnls(X, A.detach())),
        timed(lambda: hntf.torch.nnls(X, A.detach(), support=info.support)),
        timed(lambda: torch.autograd.grad(S.square().sum(), A, retain_graph=True)),
    )
    return times, S.detach().cpu(), gradient.cpu()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="the device that is compared with the CPU")
    device = parser.parse_args().device
    if device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit(
            "no CUDA device here: torch.cuda.is_available() is False; --device cpu runs the same program on the CPU"
        )
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else device
    print(f"milliseconds on the CPU with {torch.get_num_threads()} threads, and on {name}")
    print(
        f"{'n × m × k':>18} {'forward':>15} {'warm':>15} {'backward':>15} {'hard rows':>10} {'error S':>8} {'error dA':>8}"
    )
    for n, m, k in SIZES:
        on_cpu, S, gradient = measure(n, m, k, "cpu")
        with counted_hard_rows() as (hard, rows):
            on_device, S_device, gradient_device = measure(n, m, k, device)
        cells = [f"{1e3 * a:6.1f} | {1e3 * b:6.1f}" for a, b in zip(on_cpu, on_device, strict=True)]
        errors = [float((a - b).abs().max() / b.abs().max()) for a, b in ((S_device, S), (gradient_device, gradient))]
        shares = f"{100 * hard / rows:.1f} %" if rows else "-"
        size = f"{n} × {m} × {k}"
        print(f"{size:>18} {cells[0]:>15} {cells[1]:>15} {cells[2]:>15} {shares:>10} {errors[0]:8.0e} {errors[1]:8.0e}")


if __name__ == "__main__":
    main()
