"""Metagenes: groups of co-expressed genes, found without looking at any image and fixed for the cohort."""

import logging

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

COUNTS = (5, 8, 10, 12, 15, 20, 25, 30, 40)
SILHOUETTE_GENES = 1500  # the silhouette needs all pairwise distances; a random subset suffices to choose a number


def find_metagenes(standardised, count, seed):
    """k-means clusters of gene profiles.

    Args:
      standardised: [patients, G] standardised expression.
      count: number of metagenes; 0 takes the one of `COUNTS` with the largest mean silhouette.
      seed: integer.

    Returns:
      Weights [G, M], each column averaging a cluster's genes; largest cluster first.
    """
    profiles = _unit_profiles(standardised)
    if count == 0:
        labels = _best_clustering(profiles, seed)
    else:
        labels = _cluster(profiles, count, seed)
    sizes = np.bincount(labels)
    order = np.argsort(-sizes, kind="stable")
    members = labels[:, None] == order[None, :]
    return (members / np.maximum(members.sum(axis=0), 1)).astype(np.float32)


def _unit_profiles(standardised):
    """Rows of unit length, so that Euclidean distance is correlation distance."""
    profiles = (standardised - standardised.mean(axis=0)).T
    return profiles / np.maximum(np.linalg.norm(profiles, axis=1, keepdims=True), 1e-12)


def _cluster(profiles, count, seed):
    return KMeans(count, n_init=2, random_state=seed).fit_predict(profiles)


def _best_clustering(profiles, seed):
    sample = np.random.default_rng(seed).permutation(len(profiles))[:SILHOUETTE_GENES]
    best, best_score = None, -np.inf
    for count in (count for count in COUNTS if count < len(sample) / 2):
        labels = _cluster(profiles, count, seed)
        score = silhouette_score(profiles[sample], labels[sample]) if len(set(labels[sample])) > 1 else -np.inf
        if score > best_score:
            best, best_score = labels, score
    if best is None:
        best = np.zeros(len(profiles), int)
    logging.info("metagenes: %d by the silhouette rule (%.3f)", best.max() + 1, best_score)
    return best
