"""How topics of the docstrings agree with where the functions live: 44 submodules, and the packages.

    python benchmarks/labelled_text.py [--seeds 3]

Normalised mutual information (arithmetic mean) of clusters of documents with the submodules, and with the three packages. Documents
belong to the topic with the largest share of their code, or to a cluster of k-means on the square roots of the normalised codes.
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.decomposition import NMF, LatentDirichletAllocation, TruncatedSVD
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.metrics import normalized_mutual_info_score
from sklearn.preprocessing import normalize

import hntf

N_FINE, N_COARSE = 44, 3
WORDS = {"stop_words": "english", "min_df": 5, "max_df": 0.3, "token_pattern": r"[a-zA-Z]{3,}"}


def by_mass(S, components):
    """Return the topic with the largest share of every document: codes weighed by the sums of their topics."""
    return np.argmax(S * components.sum(axis=1), axis=1)


def k_means(S, k, seed):
    roots = np.sqrt(normalize(S, norm="l1"))
    return KMeans(k, n_init=10, random_state=seed).fit_predict(roots)


def ours(X, seed):
    model = hntf.NeuralNMF((N_FINE, 12, N_COARSE), random_state=seed).fit(X)
    fine, coarse = ((model.codes_[level], model.components_[level]) for level in (0, 2))
    yield "NeuralNMF (44, 12, 3), by mass", by_mass(*fine), by_mass(*coarse)
    yield "NeuralNMF (44, 12, 3), k-means on roots", k_means(fine[0], N_FINE, seed), k_means(fine[0], N_COARSE, seed)


def flat(X, seed):
    model = NMF(N_FINE, init="nndsvda", max_iter=500, random_state=seed)
    S = model.fit_transform(X)
    groups = AgglomerativeClustering(N_COARSE, metric="cosine", linkage="average").fit_predict(model.components_)
    fine = by_mass(S, model.components_)
    yield "scikit-learn NMF 44; its topics agglomerated", fine, groups[fine]


def lda(counts, seed):
    model = LatentDirichletAllocation(N_FINE, random_state=seed, max_iter=20, n_jobs=2)
    fine = np.argmax(model.fit_transform(counts), axis=1)
    groups = AgglomerativeClustering(N_COARSE, metric="cosine", linkage="average").fit_predict(model.components_)
    yield "LDA 44 on counts; its topics agglomerated", fine, groups[fine]


def embedded(X, seed):
    Z = normalize(TruncatedSVD(50, random_state=seed).fit_transform(X))
    fine, coarse = (KMeans(k, n_init=10, random_state=seed).fit_predict(Z) for k in (N_FINE, N_COARSE))
    yield "SVD 50 and k-means", fine, coarse
    # As BERTopic does with embeddings of sentences: clusters, their words by class-based tf-idf, and these agglomerated.
    words = np.stack([np.asarray(X[fine == c].sum(axis=0)).ravel() for c in range(N_FINE)])
    weights = normalize(words, norm="l1") * np.log1p(words.sum() / N_FINE / np.maximum(words.sum(axis=0), 1e-12))
    groups = AgglomerativeClustering(N_COARSE, metric="cosine", linkage="average").fit_predict(weights)
    yield "SVD 50, k-means, class-based tf-idf agglomerated", fine, groups[fine]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    warnings.simplefilter("ignore")
    documents = hntf.datasets.load_docstrings()
    counts = CountVectorizer(**WORDS).fit_transform(documents.texts)
    X = TfidfVectorizer(sublinear_tf=True, **WORDS).fit_transform(documents.texts)
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(seeds):
        for results in (ours(X, seed), flat(X, seed), lda(counts, seed), embedded(X, seed)):
            start = time.perf_counter()
            for name, fine, coarse in results:
                scores = (
                    normalized_mutual_info_score(documents.submodules, fine),
                    normalized_mutual_info_score(documents.packages, coarse),
                )
                found.setdefault(name, []).append(scores)
                print(
                    f"seed {seed}: {name}: {scores[0]:.3f} {scores[1]:.3f}, {time.perf_counter() - start:.0f} s",
                    flush=True,
                )
    print("\n| clusters | submodules | packages |\n|---|---|---|")
    for name, scores in found.items():
        mean, spread = np.mean(scores, axis=0), np.std(scores, axis=0)
        print(f"| {name} | {mean[0]:.3f} ± {spread[0]:.3f} | {mean[1]:.3f} ± {spread[1]:.3f} |")


if __name__ == "__main__":
    main()
