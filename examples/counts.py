"""A hierarchy of counts: the right cost for counts, and supertopics above the topics.

Counts vary as their means do, so their cost is the Kullback–Leibler divergence (the likelihood of Poisson counts), not the squared
error, which listens to the largest counts alone. Shown is the deviance of counts that were held out by thinning: every occurrence
of a word is held out with probability 0.2, so that both parts are independent Poisson counts with proportional means. A second
factorization gathers the topics by the masses that they have in the documents.
"""

import argparse
from pathlib import Path

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import CountVectorizer

import hntf
from hntf.datasets import load_docstrings

K = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("output/counts.png"))
    arguments = parser.parse_args()

    documents = load_docstrings()
    vectorizer = CountVectorizer(stop_words="english", min_df=20, max_df=0.3, token_pattern=r"[a-zA-Z]{3,}")
    X = vectorizer.fit_transform(documents.texts).astype(float).tocsr()
    held_out = X.copy()
    held_out.data = np.random.default_rng(0).binomial(X.data.astype(int), 0.2).astype(float)
    train = scipy.sparse.csr_matrix(X - held_out)
    train.eliminate_zeros()
    print(
        f"{X.shape[0]} documents, {X.shape[1]} words, {X.sum():.0f} occurrences, {held_out.sum() / X.sum():.0%} held out"
    )

    fits = {
        "squared error": hntf.NMF(K, random_state=0).fit(train),
        "Kullback–Leibler": hntf.NMF(
            K, loss="kullback-leibler", solver="mu", max_iter=300, tol=1e-4, random_state=0
        ).fit(train),
    }
    test = held_out.toarray()
    for name, model in fits.items():
        rates = 0.25 * model.codes_[0] @ model.components_[0] + 1e-3  # of 0.2 where the fit saw 0.8
        deviance = 2 * np.sum(np.where(test > 0, test * np.log(np.where(test > 0, test, 1) / rates), 0) - test + rates)
        print(f"  {name:18} deviance of the held-out counts {deviance / test.sum():.3f} an occurrence")

    finest = fits["Kullback–Leibler"]
    gathered = hntf.NMF(4, loss="kullback-leibler", solver="mu", max_iter=300, tol=1e-4, random_state=0).fit(
        finest.codes_[0] * finest.components_[0].sum(axis=1)
    )
    words = vectorizer.get_feature_names_out()
    print("\nfour supertopics of the masses of the twelve topics, with the topics in each:")
    for row in gathered.components_[0]:
        members = np.argsort(-row)[:3]
        named = "; ".join(" ".join(words[np.argsort(-finest.components_[0][i])[:3]]) for i in members)
        print(f"  {named}")

    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    hntf.plot.codes(finest, groups=documents.packages).figure.savefig(arguments.output, dpi=90)
    print(f"the picture is in {arguments.output}: which topics the documents of each package hold")


if __name__ == "__main__":
    main()
