"""Whether a change of structure changes a result: many fits over all estimators, to every digit.

Run it at two commits on one machine and compare: `python benchmarks/same_results.py before.json`, then
`python benchmarks/same_results.py after.json --against before.json`.
"""

import argparse
import json
import sys
import warnings
from pathlib import Path

import numpy as np
import scipy.sparse
import torch

import hntf
from hntf.datasets import make_hierarchical_blocks, make_hierarchical_tensor

BLOCKS = make_hierarchical_blocks(random_state=0)
MATRIX, GROUPS = BLOCKS.X, np.where(np.arange(90) % 3 == 0, -1, BLOCKS.groups)
OBSERVED = np.random.default_rng(1).random(MATRIX.shape) < 0.9
SPARSE = scipy.sparse.csr_matrix(MATRIX * (MATRIX > 1.0))
SIGNED = np.random.default_rng(2).standard_normal((40, 12))
TENSOR = make_hierarchical_tensor(noise=0.1, random_state=0)
SMALL = TENSOR.X[::3, ::2, ::4]
OF_TENSOR = np.where(np.arange(14) % 3 == 0, -1, TENSOR.supergroups[::3])
ORDER_4 = np.random.default_rng(3).random((6, 5, 4, 3)) * (np.random.default_rng(4).random((6, 5, 4, 3)) < 0.7)
SEEN = np.random.default_rng(5).random(SMALL.shape) < 0.9

DEEP = (9, 4, 2)
NCPD, NTF = hntf.NeuralNCPD, hntf.NeuralNTF

FITS = {
    "NMF": (hntf.NMF(9), MATRIX, {}),
    "NMF hals torch": (hntf.NMF(9, solver="hals"), torch.tensor(MATRIX), {}),
    "NMF mu random": (hntf.NMF(4, solver="mu", init="random", n_init=2, max_iter=100), MATRIX, {}),
    "NMF kl sparse": (hntf.NMF(4, solver="mu", loss="kullback-leibler", max_iter=100), SPARSE, {}),
    "NMF mask": (hntf.NMF(4), MATRIX, {"mask": OBSERVED}),
    "SSNMF": (hntf.SSNMF(9), MATRIX, {"y": GROUPS}),
    "SSNMF mu torch": (hntf.SSNMF(4, solver="mu", max_iter=100), torch.tensor(MATRIX), {"y": GROUPS}),
    "SSNMF kl": (
        hntf.SSNMF(4, solver="mu", loss="kullback-leibler", supervision_loss="kullback-leibler", max_iter=100),
        MATRIX,
        {"y": GROUPS},
    ),
    "HierarchicalNMF": (hntf.HierarchicalNMF(DEEP), MATRIX, {}),
    "HierarchicalNMF labels": (hntf.HierarchicalNMF((9, 4), solver="hals"), MATRIX, {"y": GROUPS}),
    "HierarchicalNMF sparse": (hntf.HierarchicalNMF((9, 4)), SPARSE, {}),
    "DeepNMF": (hntf.DeepNMF(DEEP, max_iter=200), MATRIX, {}),
    "DeepNMF pooled": (hntf.DeepNMF((8, 4), pooling="max", activation="sqrt", max_iter=50), MATRIX, {}),
    "DeepNMF labels torch": (hntf.DeepNMF((9, 4), max_iter=100), torch.tensor(MATRIX), {"y": GROUPS}),
    "DeepSemiNMF": (hntf.DeepSemiNMF((6, 3), n_init=2), SIGNED, {}),
    "UnfoldedNMF": (hntf.UnfoldedNMF(4, n_steps=6, max_iter=60), MATRIX, {}),
    "UnfoldedNMF kl labels": (hntf.UnfoldedNMF(4, n_steps=5, beta=1, max_iter=40), MATRIX, {"y": GROUPS}),
    "MultilayerSparseCoding": (hntf.MultilayerSparseCoding((12, 4), max_iter=60), MATRIX, {}),
    "MultilayerSparseCoding labels": (hntf.MultilayerSparseCoding((12, 4), max_iter=60), MATRIX, {"y": GROUPS}),
    "NeuralNMF": (hntf.NeuralNMF(DEEP), MATRIX, {}),
    "NeuralNMF torch": (hntf.NeuralNMF(DEEP), torch.tensor(MATRIX), {}),
    "NeuralNMF float32": (hntf.NeuralNMF((9, 4)), MATRIX.astype(np.float32), {}),
    "NeuralNMF sparse": (hntf.NeuralNMF(DEEP, init="nndsvdar"), SPARSE, {}),
    "NeuralNMF mask": (hntf.NeuralNMF((9, 4), max_iter=60), MATRIX, {"mask": OBSERVED}),
    "NeuralNMF labels": (hntf.NeuralNMF((9, 4)), MATRIX, {"y": GROUPS}),
    "NeuralNMF cross-entropy": (
        hntf.NeuralNMF((9, 4), supervision_loss="cross_entropy", supervision_level=0),
        MATRIX,
        {"y": GROUPS},
    ),
    "NeuralNMF batches": (hntf.NeuralNMF((9, 4), batch_size=20, max_iter=20), MATRIX, {"y": GROUPS}),
    "NeuralNMF sgd": (hntf.NeuralNMF((9, 4), solver="sgd", init="random", n_init=3, max_iter=120), MATRIX, {}),
    "NeuralNMF simplex": (
        hntf.NeuralNMF((9, 4), simplex=True, loss="layer-centric", volume_weight=1e-3, max_iter=60),
        MATRIX,
        {},
    ),
    "NeuralNMF penalties": (hntf.NeuralNMF((9, 4), code_l1=0.1, code_l2=0.1, factor_l2=0.1, max_iter=60), MATRIX, {}),
    "NCPD": (hntf.NCPD(7), SMALL, {}),
    "NCPD hals torch": (hntf.NCPD(4, solver="hals", init="random", n_init=2), torch.tensor(SMALL), {}),
    "NCPD order 4": (hntf.NCPD(4), ORDER_4, {}),
    "NTD": (hntf.NTD((4, 3, 2)), SMALL, {}),
    "NTD hals order 4": (hntf.NTD(2, solver="hals", init="random"), ORDER_4, {}),
    "HierarchicalNCPD": (hntf.HierarchicalNCPD((7, 4, 2)), SMALL, {}),
    "NeuralNCPD": (NCPD((7, 4, 2)), SMALL, {}),
    "NeuralNCPD order 4 torch": (NCPD((4, 2), n_init=2, max_iter=60), torch.tensor(ORDER_4), {}),
    "NeuralNCPD mask labels": (NCPD((4, 2), n_init=1, max_iter=60), SMALL, {"mask": SEEN, "y": OF_TENSOR}),
    "NeuralNCPD matrix": (NCPD((9, 4), n_init=1, train_base=False), MATRIX, {}),
    "MultiHNTF": (hntf.MultiHNTF((7, 4, 2)), SMALL, {}),
    "MultiHNTF by mode labels": (hntf.MultiHNTF((7, 4), shared=False, train_base=True), SMALL, {"y": OF_TENSOR}),
    "MultilayerNTF": (hntf.MultilayerNTF((7, 4, 2), lead_mode=1), SMALL, {}),
    "MultilayerNTF order 4": (hntf.MultilayerNTF((4, 2), n_init=2), ORDER_4, {}),
    "NeuralNTF": (NTF((7, 4, 2)), SMALL, {}),
    "NeuralNTF matrix": (NTF((9, 4)), MATRIX, {}),
    "NeuralNTF labels torch": (NTF((7, 4)), torch.tensor(SMALL), {"y": OF_TENSOR}),
    "NeuralNTF Tucker": (NTF(((5, 5), (3, 3))), SMALL, {}),
    "NeuralNTF Tucker dense mask": (NTF(((5, 5), 4), max_iter=60), SMALL, {"mask": SEEN}),
    "NeuralNTF one mode": (NTF(((3,), (2,)), modes=[2]), SMALL, {}),
    "NeuralNTF all modes": (NTF(((4, 4, 3), (2, 2, 2)), max_iter=60), SMALL, {}),
    "NeuralNTF batches order 4": (NTF((4, 2), batch_size=3, max_iter=20), ORDER_4, {}),
}
"""Name by name an estimator, its data and what else `fit` takes."""


def results(estimator, X, options):
    """Fit, and return what a change of structure must not change."""
    params = {"random_state": 0}
    if "level_weights" in estimator.get_params():
        params["level_weights"] = None  # equal ones: the default has changed
    model = estimator.set_params(**params).fit(X, **options)
    data = {name: value for name, value in options.items() if name == "mask"}
    levels = range(len(model.reconstruction_err_))
    codes = [np.asarray(model.transform(X, level=level, **data), dtype=float) for level in levels]
    found = {
        "errors": model.reconstruction_err_.tolist(),
        "iterations": int(model.n_iter_),
        "loss": float(model.history_["loss"][-1]) if hasattr(model, "history_") else None,
        "codes": [float(S.sum()) for S in codes],
        "data": [float(np.asarray(model.inverse_transform(S, level=level)).sum()) for level, S in enumerate(codes)],
    }
    if "y" in options:
        found["classifier"] = float(np.asarray(model.classifier_, dtype=float).sum())
    return found


def differences(before, after):
    """Yield the fits that differ, and where."""
    for name in before:
        for key, value in before[name].items():
            if (now := after.get(name, {}).get(key)) != value:
                comparable = now is not None and value is not None
                relative = (
                    np.max(np.abs(np.subtract(now, value)) / np.maximum(np.abs(value), 1e-300)) if comparable else 1
                )
                yield f"{name:32} {key:12} {relative:.1e}  {value} -> {now}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", type=Path)
    parser.add_argument("--against", type=Path, help="an earlier output to compare with")
    parser.add_argument("--only", default="", help="part of the names of the fits to run")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    fits = {name: fit for name, fit in FITS.items() if arguments.only in name}
    after = {name: results(*fit) for name, fit in fits.items()}
    arguments.output.write_text(json.dumps(after, indent=1))
    if arguments.against:
        before = {name: value for name, value in json.loads(arguments.against.read_text()).items() if name in fits}
        rows = list(differences(before, after))
        print(*rows, f"{len({row[:32] for row in rows})} of {len(before)} fits differ", sep="\n")
        sys.exit(bool(rows))
    print(f"{len(after)} fits")


if __name__ == "__main__":
    main()
