"""The papers' synthetic tensor: mean relative error of every level by method, theirs beside ours.

    python benchmarks/reference_tensor.py [draws] [seeds]

Each method is fitted with defaults to every draw for every value of `random_state`; by default 3 draws and 10 seeds. Errors are
relative to the data, `‖X − X̂_l‖ / ‖X‖`, and to the tensor without noise, `‖C − X̂_l‖ / ‖C‖`: the papers report one or the
other, on draws of their own. Goals: `NeuralNCPD` at most .2765/.3120/.5060 (noise 0.4) and .0965/.2195/.5340 (noise 0.1), no
fit worse than 1.03 times the mean, at most 3 s each; the others no worse than published.
"""

import sys
import time
import warnings

import numpy as np
import tensorly

import hntf
from hntf.datasets import make_hierarchical_tensor

RANKS = (7, 4, 2)
METHODS = {
    "NeuralNCPD": lambda seed: hntf.NeuralNCPD(RANKS, random_state=seed),
    "HierarchicalNCPD": lambda seed: hntf.HierarchicalNCPD(RANKS, random_state=seed),
    "MultiHNTF": lambda seed: hntf.MultiHNTF(RANKS, random_state=seed),
    "MultiHNTF, by mode": lambda seed: hntf.MultiHNTF(RANKS, shared=False, random_state=seed),
    "MultilayerNTF, lead 0": lambda seed: hntf.MultilayerNTF(RANKS, lead_mode=0, random_state=seed),
    "MultilayerNTF, lead 1": lambda seed: hntf.MultilayerNTF(RANKS, lead_mode=1, random_state=seed),
    "MultilayerNTF, lead 2": lambda seed: hntf.MultilayerNTF(RANKS, lead_mode=2, random_state=seed),
    "NeuralNTF": lambda seed: hntf.NeuralNTF(RANKS, random_state=seed),
}
PUBLISHED = {
    (0.4, "NeuralNCPD"): (".277/.326/.501", ".454/.508/.714"),
    (0.4, "HierarchicalNCPD"): (".277/.428/.716", ""),
    (0.4, "MultiHNTF"): ("", ".454/.548/.721"),
    (0.4, "MultilayerNTF, lead 1"): ("", ".454/.576/.781"),
    (0.4, "MultilayerNTF, lead 2"): ("", ".454/.587/.765"),
    (0.1, "NeuralNCPD"): (".096/.231/.530", ".119/.252/.563"),
    (0.1, "HierarchicalNCPD"): (".096/.468/.815", ""),
    (0.1, "MultilayerNTF, lead 1"): ("", ".119/.502/.795"),
    (0.1, "MultilayerNTF, lead 2"): ("", ".119/.309/.665"),
}


def levels(errors):
    return "/".join(f"{error:.4f}".lstrip("0") for error in errors)


def against(clean, model):
    """Return the error of every level relative to the tensor without noise."""
    dense = [tensorly.cp_to_tensor(model.cp_tensor(level)) for level in range(len(RANKS))]
    return [np.linalg.norm(clean - X) / np.linalg.norm(clean) for X in dense]


def main() -> None:
    draws, seeds = (int(argument) for argument in (*sys.argv[1:], *("3", "10")[len(sys.argv) - 1 :]))
    warnings.simplefilter("error")
    for noise in (0.4, 0.1):
        print(
            f"noise {noise}: mean over {draws} draws × {seeds} seeds; the worst ratio of a fit to the mean of its draw"
        )
        print(
            f"{'':>22} {'data: published':>16} {'ours':>17} {'worst':>6} {'clean: published':>17} {'ours':>17} {'slowest':>8}"
        )
        for name, make in METHODS.items():
            errors, clean_errors, worst, slowest = [], [], 0.0, 0.0
            for draw in range(draws):
                data = make_hierarchical_tensor(noise=noise, random_state=1000 + draw)
                of_draw = []
                for seed in range(seeds):
                    model = make(seed)
                    start = time.perf_counter()
                    model.fit(data.X)
                    slowest = max(slowest, time.perf_counter() - start)
                    of_draw.append(model.reconstruction_err_)
                    clean_errors.append(against(data.clean, model))
                worst = max(worst, float(np.max(np.max(of_draw, axis=0) / np.mean(of_draw, axis=0))))
                errors.extend(of_draw)
            theirs, theirs_clean = PUBLISHED.get((noise, name), ("", ""))
            ours, ours_clean = levels(np.mean(errors, axis=0)), levels(np.mean(clean_errors, axis=0))
            print(
                f"{name:>22} {theirs:>16} {ours:>17} {worst:6.3f} {theirs_clean:>17} {ours_clean:>17} {slowest:7.2f}s",
                flush=True,
            )


if __name__ == "__main__":
    main()
