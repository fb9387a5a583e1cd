"""A layer in a network: parts that are trained to tell digits apart, and can still be looked at.

A network that classifies the digits of scikit-learn has one hidden layer of 16 units: nonnegative least-squares codes of the image
in a dictionary of parts (`hntf.torch.NNLS`), differentiated exactly. Beside the classes it rebuilds the image, so its parts stay
strokes. A linear layer with a rectifier of the same size is right a little more often (97 % against 96 %), and its weights show
nothing.
"""

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import hntf

N_PARTS = 16


class Parts(torch.nn.Module):
    """Codes in a dictionary of nonnegative parts, and classes from codes."""

    def __init__(self, n_features, n_parts, n_classes):
        super().__init__()
        self.encode = hntf.torch.NNLS(n_features, n_parts, nonnegative=True)
        self.classify = torch.nn.Linear(n_parts, n_classes)

    def forward(self, x):
        """Return the scores of the classes, and the image that the codes stand for."""
        codes = self.encode(x)
        return self.classify(codes), codes @ self.encode.A.T


class Rectified(torch.nn.Module):
    """The same with a linear layer and a rectifier."""

    def __init__(self, n_features, n_parts, n_classes):
        super().__init__()
        self.encode = torch.nn.Linear(n_features, n_parts)
        self.classify = torch.nn.Linear(n_parts, n_classes)

    def forward(self, x):
        """Return the scores of the classes, and no image."""
        return self.classify(torch.relu(self.encode(x))), None


def trained(network, X, y, epochs=60):
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(epochs):
        for rows in torch.randperm(len(X)).split(128):
            scores, rebuilt = network(X[rows])
            loss = torch.nn.functional.cross_entropy(scores, y[rows])
            if rebuilt is not None:
                loss = loss + 0.1 * (X[rows] - rebuilt).square().sum(dim=1).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return network


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/layer_in_a_network.png"))
    arguments = parser.parse_args()

    digits = load_digits()
    X, y = torch.tensor(digits.data / 16, dtype=torch.float32), torch.tensor(digits.target)
    train, test = map(torch.tensor, train_test_split(range(len(X)), stratify=digits.target, random_state=0))
    torch.manual_seed(0)
    networks = {kind.__name__: trained(kind(64, N_PARTS, 10), X[train], y[train]) for kind in (Parts, Rectified)}
    for name, network in networks.items():
        with torch.no_grad():
            scores, rebuilt = network(X[test])
        error = "" if rebuilt is None else f", relative error {float((X[test] - rebuilt).norm() / X[test].norm()):.3f}"
        print(f"{name:10} accuracy on new digits {float((scores.argmax(1) == y[test]).float().mean()):.3f}{error}")

    pictures = {
        "parts": networks["Parts"].encode.A.detach().T,
        "rectified": networks["Rectified"].encode.weight.detach(),
    }
    figure, axes = plt.subplots(2, N_PARTS, figsize=(12, 1.9), layout="constrained")
    for row, (name, images) in zip(axes, pictures.items(), strict=True):
        for axis, image in zip(row, images, strict=True):
            axis.imshow(image.reshape(8, 8), cmap=hntf.plot.axes.HEAT)
            axis.set_xticks([])
            axis.set_yticks([])
        row[0].set_ylabel(name)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.output, dpi=90)
    print(f"the picture is in {arguments.output}: the parts, and the weights of the linear layer")


if __name__ == "__main__":
    main()
