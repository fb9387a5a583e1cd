"""What hidden entries cost, and how well they are recovered.

    python benchmarks/hidden_entries.py

Time of a layer (forward from a known support, and backward) and of a fit with a mask over that without one, and the memory that a
fit takes beyond the data, each in a process of its own; the time of fits of a tensor; then the error of entries that were hidden
from a fit.

Goals: a mask that hides 1 % costs at most 3 times the time, one that hides half at most 8; at most twice the memory of the data,
factors and codes aside. With half of 500 × 200 of exact rank 10 hidden, the hidden entries are recovered to 1e-4; with 5 % noise,
to 1.1 times the noise.
"""

import resource
import subprocess
import sys
import time
import warnings

import numpy as np

import hntf

SAMPLES, FEATURES, COMPONENTS = 20_000, 200, 40
TENSOR, OF_TENSOR = (200, 100, 100), 10
SHARES = {"nothing": 0.0, "one entry": 1 / (SAMPLES * FEATURES), "1 %": 0.01, "half": 0.5}


def draw(share):
    rng = np.random.default_rng(0)
    X = rng.random((SAMPLES, COMPONENTS)) @ rng.random((COMPONENTS, FEATURES)) + 0.1 * rng.random((SAMPLES, FEATURES))
    return hidden(X, share, rng)


def hidden(X, share, rng):
    """Hide a share of the entries, but at least one; return the data and the mask."""
    if not share:
        return X, None
    X[rng.random(X.shape) < share] = np.nan
    X[(5, 7, 3)[: X.ndim]] = np.nan
    return X, "nan"


def shortest(function, repeats=5):
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def in_this_process(share):
    """Print the times of a layer and of a fit, and the memory of the fit over that of the data."""
    warnings.simplefilter("ignore")
    X, mask = draw(share)
    data = hntf.as_data(X, mask=mask)
    layer = hntf.layers.NNLSLayer(hntf.maps.Dense(np.random.default_rng(1).random((FEATURES, COMPONENTS))))
    tape = layer.solve(data)

    def backward():
        dG, dC = layer.solution_pullback(tape, tape.S)
        layer.map.pullback(data, dG, dC)

    of_layer = shortest(lambda: layer.solve(data, tape.support)), shortest(backward)
    estimator = hntf.NMF(COMPONENTS, init="random", n_init=1, max_iter=20, tol=0.0, random_state=0)
    estimator.fit(X[:500], mask=mask)
    before = peak()
    of_fit = shortest(lambda: estimator.fit(X, mask=mask), repeats=1)
    print(*of_layer, of_fit, (peak() - before) / X.nbytes)


def times_of_tensors():
    """Print the times of fits of a tensor with hidden entries over those of the complete tensor."""
    rng = np.random.default_rng(0)
    complete = np.einsum("ar,br,cr->abc", *(rng.random((d, OF_TENSOR)) for d in TENSOR)) + 0.1 * rng.random(TENSOR)
    options = {"max_iter": 20, "tol": 0.0, "n_init": 1, "random_state": 0}
    models = {
        "NCPD": hntf.NCPD(OF_TENSOR, **options),
        "NeuralNTF": hntf.NeuralNTF((OF_TENSOR, 4), **options),
        "NeuralNCPD": hntf.NeuralNCPD((OF_TENSOR, 4), **options),
    }
    print(f"{' × '.join(map(str, TENSOR))}, {OF_TENSOR} components; times of fits over those of the complete tensor")
    print(f"{'hidden':>10}", *(f"{name:>10}" for name in models))
    data = {share: hidden(complete.copy(), fraction, rng) for share, fraction in SHARES.items()}
    times = dict.fromkeys(((share, name) for share in data for name in models), np.inf)
    # All of them in turn, so that a machine that is slower for a while is so for all.
    for _ in range(5):
        for share, name in times:
            X, mask = data[share]
            fit = shortest(lambda model=models[name], X=X, mask=mask: model.fit(X, mask=mask), repeats=1)
            times[share, name] = min(times[share, name], fit)
    for share in data:
        print(f"{share:>10}", *(f"{times[share, name] / times['nothing', name]:10.1f}" for name in models))


def recovered(noise, seed):
    """Return the error of a fit, and that of the half of the entries that was hidden from it."""
    rng = np.random.default_rng(seed)
    X = rng.random((500, 10)) @ rng.random((10, 200))
    disturbance = rng.standard_normal(X.shape)
    X = np.maximum(X + noise * np.linalg.norm(X) / np.linalg.norm(disturbance) * disturbance, 0.0)
    observed = rng.random(X.shape) < 0.5
    model = hntf.NeuralNMF((10,), max_iter=2000, tol=1e-7, random_state=seed).fit(X, mask=observed)
    return model.reconstruction_err_[0], model.reconstruction_error(X, mask=~observed)


def main() -> None:
    if len(sys.argv) > 1:
        in_this_process(float(sys.argv[1]))
        return
    print(f"{SAMPLES} × {FEATURES}, {COMPONENTS} components; times over those of complete data")
    print(f"{'hidden':>10} {'forward':>8} {'backward':>8} {'both':>6} {'fit':>6} {'memory / data':>14}")
    complete = None
    for name, share in SHARES.items():
        command = [sys.executable, __file__, str(share)]
        forward, backward, fit, memory = map(
            float, subprocess.run(command, capture_output=True, check=True).stdout.split()
        )
        complete = complete or (forward, backward, fit)
        ratios = (
            forward / complete[0],
            backward / complete[1],
            (forward + backward) / sum(complete[:2]),
            fit / complete[2],
        )
        print(f"{name:>10} {ratios[0]:8.1f} {ratios[1]:8.1f} {ratios[2]:6.1f} {ratios[3]:6.1f} {memory:14.2f}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        times_of_tensors()
    print("half of 500 × 200 of rank 10 hidden, three draws: error of the fit, and of the hidden entries")
    for noise in (0.0, 0.05):
        for seed in range(3):
            print(f"noise {noise:4.0%}: {recovered(noise, seed)[0]:.2e} {recovered(noise, seed)[1]:.2e}")


if __name__ == "__main__":
    main()
