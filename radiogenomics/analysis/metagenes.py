"""Metagenes: groups of co-expressed genes, found without looking at any image and fixed for the cohort."""

import logging

import numpy as np
from sklearn.metrics import silhouette_score

from radiogenomics.data import front_ends

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
    labels = front_ends.cluster_genes(standardised, count, seed) if count else _best_clustering(standardised, seed)
    members = labels[:, None] == np.arange(labels.max() + 1)
    return (members / np.maximum(members.sum(axis=0), 1)).astype(np.float32)


def _best_clustering(standardised, seed):
    profiles = (standardised - standardised.mean(axis=0)).T
    # On unit length, Euclidean distance is correlation distance.
    profiles = profiles / np.maximum(np.linalg.norm(profiles, axis=1, keepdims=True), 1e-12)
    sample = np.random.default_rng(seed).permutation(len(profiles))[:SILHOUETTE_GENES]
    best, best_score = np.zeros(len(profiles), int), -np.inf
    for count in (count for count in COUNTS if count < len(sample) / 2):
        labels = front_ends.cluster_genes(standardised, count, seed)
        known = sample[labels[sample] >= 0]
        score = silhouette_score(profiles[known], labels[known]) if len(set(labels[known])) > 1 else -np.inf
        if score > best_score:
            best, best_score = labels, score
    logging.info("metagenes: %d by the silhouette rule (%.3f)", best.max() + 1, best_score)
    return best
