"""COVID-19 serology: patterns of antibodies over antigens and receptors, and what they say of the illness beside a plain mean.

The tensor, shipped with TensorLy, holds how strongly 438 samples of serum bind 6 antigens of the virus, seen by 11 receptors: the
logarithm, centred for every antigen and receptor. Exponentials of it are ratios to the typical sample, and nonnegative. Who gave
which sample is not told, but neighbours in the file are alike (their logarithms correlate at .25, distant samples of the same
state at .08): people gave several. So samples are held out in runs of neighbours, not at random.

Patterns are learned without the states of the patients. They tell which antibodies go together; that a person is or was ill, the
plain mean of all logarithms tells as well.

Reference: Zohar, Loos, Fischinger et al. (2020), *Compromised humoral functional evolution tracks with SARS-CoV-2 mortality*,
Cell; see `tensorly.datasets.load_covid19_serology`.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tensorly.datasets import load_covid19_serology

import hntf

RANKS = (6, 3)
STATES = ("Negative", "Mild", "Moderate", "Severe", "Deceased")


def in_runs(state):
    """Return whether a sample is in the first or third quarter of the samples of its state, in the order of the file."""
    train = np.zeros(len(state), bool)
    for of_state in STATES:
        index = np.flatnonzero(state == of_state)
        train[index] = (np.arange(len(index)) * 4 // len(index)) % 2 == 0
    return train


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/covid_serology.png"))
    arguments = parser.parse_args()

    data = load_covid19_serology()
    logs = np.asarray(data.tensor)
    X = np.exp(logs)
    state, antigens, receptors = (np.asarray(ticks, dtype=str) for ticks in data.ticks)
    train, ill = in_runs(state), state != "Negative"
    model = hntf.NeuralNTF(RANKS, random_state=0).fit(X[train])
    print(f"{train.sum()} of {len(X)} samples × {len(antigens)} antigens × {len(receptors)} receptors: relative errors "
          f"{' / '.join(f'{e:.3f}' for e in model.reconstruction_err_)} with {RANKS} patterns")  # fmt: skip

    def predicted(features):
        classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1000))
        return classifier.fit(features[train], ill[train]).decision_function(features[~train])

    codes = np.log1p(model.transform(X, level=0))
    patterns = model.transform(X, level=1)
    best = np.argmax([roc_auc_score(ill[train], S[train]) for S in patterns.T])  # chosen on the samples of the fit
    scores = {
        "the mean of all logarithms": logs[~train].mean(axis=(1, 2)),
        "the best single pattern of three": patterns[~train, best],
        "six patterns, logistic regression": predicted(codes),
        "all 66 logarithms, logistic regression": predicted(logs.reshape(len(logs), -1)),
    }
    print("area under the curve, ill against negative, samples held out in runs:")
    for name, score in scores.items():
        print(f"  {name:40} {roc_auc_score(ill[~train], score):.3f}")

    names = {1: antigens, 2: receptors}
    tree = model.tree([antigens, receptors], n_words=2)
    print(f"\npatterns, by antigen | receptor:\n{tree}")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    grid = hntf.plot.components(model, 1, names=names)
    grid.figure.suptitle("three patterns: what they bind, and what sees it")
    grid.figure.savefig(arguments.output, dpi=90)
    print(f"the picture is in {arguments.output}")


if __name__ == "__main__":
    main()
