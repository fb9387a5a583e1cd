"""A nonnegative least-squares block inside a network, in place of a linear map with a ReLU.

Two networks classify the 8 × 8 digits of scikit-learn from 16 numbers for each of them. In one these are the code
`argmin_{S ≥ 0} ‖X − S Aᵀ‖²` over a trained dictionary `A ≥ 0`, in the other `max(0, X Wᵀ + b)`. Both decode the numbers with 16
atoms of their own, and both are trained on the cross-entropy of the digits plus a small reconstruction error. The NNLS block
has one matrix for both: its dictionary is what it decodes with.
"""

import argparse
import time
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

import hntf

ATOMS, BATCH = 16, 100


class Network(nn.Module):
    """A block of 16 nonnegative numbers for each sample, a decoder from them, and a linear classifier of them."""

    def __init__(self, block, decode) -> None:
        super().__init__()
        self.block, self.decode = block, decode
        self.classifier = nn.Linear(ATOMS, 10)

    def forward(self, X):
        """Return the scores of the classes and the decoded samples."""
        S = self.block(X)
        return self.classifier(S), self.decode(S)


def with_nnls() -> Network:
    block = hntf.torch.NNLS(64, ATOMS)
    return Network(block, block.decode)


def with_relu() -> Network:
    return Network(nn.Sequential(nn.Linear(64, ATOMS), nn.ReLU()), nn.Linear(ATOMS, 64, bias=False))


def train(network: Network, X: torch.Tensor, y: torch.Tensor, arguments: argparse.Namespace) -> float:
    """Train a network by Adam on mini-batches; return the seconds."""
    optimizer = torch.optim.Adam(network.parameters(), lr=arguments.learning_rate)
    start = time.perf_counter()
    for _ in range(arguments.epochs):
        for batch in torch.randperm(len(X)).split(BATCH):
            scores, decoded = network(X[batch])
            error = (X[batch] - decoded).square().sum(1).mean()
            loss = nn.functional.cross_entropy(scores, y[batch]) + arguments.reconstruction * error
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if isinstance(network.block, hntf.torch.NNLS):
                network.block.project_()
    return time.perf_counter() - start


@torch.no_grad()
def tested(network: Network, X: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Return the accuracy and the relative reconstruction error on samples."""
    scores, decoded = network(X)
    return (scores.argmax(1) == y).double().mean().item(), ((X - decoded).norm() / X.norm()).item()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--reconstruction", type=float, default=0.05, help="weight of the reconstruction error")
    parser.add_argument("--seeds", type=int, default=5, help="number of starts and splits")
    parser.add_argument("--output", type=Path, default=Path("output/nnls_block.png"))
    arguments = parser.parse_args()

    X, y = (torch.tensor(x) for x in load_digits(return_X_y=True))
    X = (X / 16.0).float()
    networks = {"NNLS": with_nnls, "Linear and ReLU": with_relu}
    atoms, accuracies = {}, {name: [] for name in networks}
    print(f"{len(X)} digits of 64 pixels, {ATOMS} numbers for each, {arguments.epochs} epochs")
    for seed in range(arguments.seeds):
        rows = train_test_split(range(len(X)), test_size=0.25, stratify=y, random_state=seed)
        (X_train, y_train), (X_test, y_test) = ((X[r], y[r]) for r in rows)
        for name, make in networks.items():
            torch.manual_seed(seed)
            network = make()
            seconds = train(network, X_train, y_train, arguments)
            accuracy, error = tested(network, X_test, y_test)
            accuracies[name].append(accuracy)
            print(f"split {seed}, {name:15}: test accuracy {accuracy:.3f}, relative error {error:.3f}, {seconds:.1f} s")
            decoder = network.block.A if name == "NNLS" else network.decode.weight
            atoms[name] = decoder.detach().T

    figure = plt.figure(figsize=(ATOMS, 3.2), layout="constrained")
    for part, (name, decoder) in zip(figure.subfigures(2), atoms.items(), strict=True):
        part.suptitle(f"{name}: test accuracy {accuracies[name][-1]:.3f}")
        for axis, atom in zip(part.subplots(1, ATOMS), decoder, strict=True):
            limit = float(atom.abs().max()) or 1.0
            axis.imshow(atom.reshape(8, 8), cmap="RdBu_r", vmin=-limit, vmax=limit)
            axis.set(xticks=[], yticks=[])
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=100)
    print(f"the picture of the atoms is in {arguments.output}")

    print(f"Test accuracy over {arguments.seeds} splits:")
    for name, values in accuracies.items():
        print(f"  {name:15}: mean {sum(values) / len(values):.3f}, {min(values):.3f} to {max(values):.3f}")
    wins = sum(a > b for a, b in zip(*accuracies.values(), strict=True))
    negative = float((atoms["Linear and ReLU"] < 0).double().mean())
    print(f"The NNLS block is more accurate in {wins} of {arguments.seeds} splits. Its atoms, parts of digits, have no negative "
          f"entry, those of the ReLU block have {negative:.0%}.")  # fmt: skip


if __name__ == "__main__":
    main()
