"""One epoch, loss and all gradients, against the NeuralNMF package of the paper's authors.

    make bench-peers

which runs this file in an environment of its own, where that package is installed. Both compute the reconstruction loss
of the same factors; goals: 40 times its speed on 90 × 87 with (9, 4, 2), 50 times on counts with (10, 5).
"""

import numpy as np
import torch
from NeuralNMF import Neural_NMF, Recon_Loss_Func
from timing import seconds

import hntf
from hntf.datasets import make_hierarchical_blocks
from hntf.models.stack import dense_hierarchy


def compare(name, X, ranks, repeats):
    """Time one epoch of both on `X` (samples × features)."""
    network = Neural_NMF([X.shape[1], *ranks])
    features_by_samples = torch.tensor(X.T.copy())
    theirs_loss = Recon_Loss_Func()

    def theirs():
        network.zero_grad()
        loss = theirs_loss(network, features_by_samples, network(features_by_samples))
        loss.backward()
        return loss

    hierarchy = dense_hierarchy([layer.A.detach().numpy() for layer in network.lsqnonneglst])
    ours_loss = hntf.losses.Reconstruction()

    def ours():
        return ours_loss.value_and_grad(hierarchy, X)

    theirs()
    # Their loss is the mean of the squared residuals, ours the sum.
    pairs = [(layer.A.grad.numpy() * X.size, g) for layer, g in zip(network.lsqnonneglst, ours()[1], strict=True)]
    mismatch = max(np.abs(a - b).max() / np.abs(b).max() for a, b in pairs)
    their_seconds, our_seconds = seconds(theirs, ours, repeats=repeats)
    print(
        f"{name:>20}: theirs {their_seconds * 1e3:8.1f} ms, ours {our_seconds * 1e3:7.2f} ms, "
        f"{their_seconds / our_seconds:6.1f} times (all gradients agree up to {mismatch:.1e})"
    )


def main():
    torch.manual_seed(0)
    compare("90 × 87, (9, 4, 2)", make_hierarchical_blocks(random_state=0).X, (9, 4, 2), 9)
    counts = np.random.default_rng(0).poisson(0.5, (98, 3762)).astype(float)
    compare("98 × 3762, (10, 5)", counts, (10, 5), 5)
    compare("3762 × 98, (10, 5)", counts.T.copy(), (10, 5), 3)


if __name__ == "__main__":
    main()
