"""Metagenes: groups of genes, found or given without looking at any image and fixed for the cohort."""

import functools
import logging
from typing import NamedTuple

import numpy as np
import threadpoolctl
from scipy.cluster import hierarchy
from scipy.spatial import distance
from sklearn.metrics import silhouette_score

from radiogenomics.data import front_ends, gene_sets
from radiogenomics.errors import InputError

COUNTS = (5, 8, 10, 12, 15, 20, 25, 30, 40)
SILHOUETTE_GENES = 1500  # the silhouette needs all pairwise distances; a random subset suffices to choose a number
BOOTSTRAPS = {"kmeans": 20, "hierarchical": 10}  # a tree takes several times as long as k-means


class Metagenes(NamedTuple):
    """Groups of genes, as a map uses them."""

    names: tuple  # [M]
    weights: np.ndarray  # [G, M], each column averages a group's genes
    stability: np.ndarray  # [M] of `measure_stability`; NaN where the groups were given, not found


def find_metagenes(standardised, genes, config):
    """Groups the genes by `map.metagene_method`.

    "kmeans": clusters of gene profiles on unit length. "hierarchical": average linkage on 1 - correlation, cut to the
    number asked for (to fewer where merges tie); outlying genes make small clusters of their own. "gene_sets": every
    set of the GMT file `map.gene_sets` with at least `genes.min_set_size` genes in the cohort; sets may overlap.
    `map.metagenes` is the number of clusters; 0 takes the one of `COUNTS` with the largest mean silhouette.

    Args:
      standardised: [patients, G] standardised expression.
      genes: [G] symbols.
      config: the configuration; reads `seed`, `map` and `genes.min_set_size`.

    Returns:
      `Metagenes`; clusters with the largest first, sets in the file's order.

    Raises:
      InputError: for an unknown method, a number that the genes cannot carry, or no usable set.
    """
    method = config.map.metagene_method
    if method == "gene_sets":
        return _read_metagenes(genes, config)
    if method not in BOOTSTRAPS:
        raise InputError(f"map.metagene_method: '{method}'; expected 'kmeans', 'hierarchical' or 'gene_sets'.")
    labels = cluster_genes(standardised, config.map.metagenes, method, config.seed)
    members = labels[:, None] == np.arange(labels.max() + 1)
    return name_metagenes(average_members(members))._replace(
        stability=measure_stability(standardised, labels, method, config.seed)
    )


def name_metagenes(weights):
    """`Metagenes` of weights [G, M] that were given: numbered, their stability unknown."""
    names = tuple(f"metagene {number + 1}" for number in range(weights.shape[1]))
    return Metagenes(names, weights, np.full(len(names), np.nan))


def average_members(members):
    """Weights [G, M] that average the members [G, M] of each group."""
    return (members / np.maximum(members.sum(axis=0), 1)).astype(np.float32)


def _read_metagenes(genes, config):
    path = config.map.gene_sets
    if not path:
        raise InputError("map.gene_sets: empty; map.metagene_method 'gene_sets' expects the path of a GMT file.")
    sets = gene_sets.read_gene_sets(path)
    sets = gene_sets.usable_sets(sets, genes, config.genes.min_set_size, "map.gene_sets")
    members = np.array([[gene in symbols for symbols in sets.values()] for gene in genes])
    logging.info("metagenes: %d gene sets with %d of %d genes", len(sets), members.any(axis=1).sum(), len(genes))
    return Metagenes(tuple(sets), average_members(members), np.full(len(sets), np.nan))


def cluster_genes(standardised, count, method, seed):
    """Clusters of co-expressed genes.

    Args:
      standardised: [patients, G]; genes without variation belong to no cluster.
      count: number of clusters; 0 takes the one of `COUNTS` with the largest mean silhouette.
      method: "kmeans" or "hierarchical".
      seed: integer, for k-means and the genes whose silhouettes are measured.

    Returns:
      Labels [G], 0 for the largest cluster, -1 for genes without variation.

    Raises:
      InputError: for more clusters than there are different genes.
    """
    profiles, varying = front_ends.unit_profiles(standardised)
    different = front_ends.count_different(profiles)
    if not 0 <= count <= different or not different:
        raise InputError(f"map.metagenes: {count}; {different} genes differ and carry 1 to {different} (0: by rule).")
    cluster = _prepare_clustering(standardised, method, seed)
    return cluster(count) if count else _best_clustering(profiles, varying, different, cluster, seed)


def _prepare_clustering(standardised, method, seed):
    """A function of the number of clusters that returns labels [G]; a tree is grown once for all numbers."""
    if method == "kmeans":
        return functools.partial(front_ends.cluster_genes, standardised, seed=seed)
    profiles, varying = front_ends.unit_profiles(standardised)
    return functools.partial(_cut_tree, grow_tree(profiles), varying)


def grow_tree(profiles):
    """Average linkage [n - 1, 4] of profiles [n, patients] of unit length on 1 - correlation (`scipy`).

    Memory grows with the pairs of genes: about 10 n^2 bytes at the peak, 0.3 GB for 5,172 genes, 4 GB for 20,000.
    """
    if len(profiles) < 2:
        return np.zeros((0, 4))
    profiles = profiles.astype(np.float32)
    apart = profiles @ profiles.T
    np.maximum(np.subtract(1.0, apart, out=apart), 0.0, out=apart)
    apart = distance.squareform(apart, checks=False)  # replaces the square, which is then freed
    return hierarchy.linkage(apart, "average")


def _cut_tree(tree, varying, count):
    found = hierarchy.fcluster(tree, count, "maxclust") - 1 if len(tree) else np.zeros(1, int)
    return front_ends.number_by_size(found, varying)


def _best_clustering(profiles, varying, different, cluster, seed):
    sample = np.random.default_rng(seed).permutation(len(profiles))[:SILHOUETTE_GENES]
    best, best_score = np.where(varying, 0, -1), -np.inf
    for count in (count for count in COUNTS if count < len(sample) / 2 and count <= different):
        labels = cluster(count)
        known = labels[varying][sample]
        # On unit length, Euclidean distance is correlation distance.
        score = silhouette_score(profiles[sample], known) if len(set(known)) > 1 else -np.inf
        if score > best_score:
            best, best_score = labels, score
    logging.info("metagenes: %d by the silhouette rule (%.3f)", best.max() + 1, best_score)
    return best


def measure_stability(standardised, labels, method, seed, bootstraps=None):
    """How surely each cluster is found again when the patients are drawn anew (after Hennig 2007).

    Of each cluster the largest Jaccard index with any cluster of a bootstrap, mean over bootstraps of the patients,
    clustered alike into as many clusters. 1: always found; below about 0.6 the cluster's make-up is not to be trusted.

    Args:
      standardised: [patients, G].
      labels: [G] of `cluster_genes`.
      method: "kmeans" or "hierarchical".
      seed: integer.
      bootstraps: how many; those of `BOOTSTRAPS` by default.

    Returns:
      [M] in 0..1.
    """
    generator, count = np.random.default_rng(seed), labels.max() + 1
    found = np.zeros(count)
    bootstraps = bootstraps or BOOTSTRAPS[method]
    # One thread: on a busy machine threads wait for each other at every step of k-means.
    with threadpoolctl.threadpool_limits(1):
        for _ in range(bootstraps):
            drawn = standardised[generator.integers(0, len(standardised), len(standardised))]
            # Few patients drawn may leave fewer genes different than there are clusters.
            carried = front_ends.count_different(front_ends.unit_profiles(drawn)[0])
            if carried:
                found += best_jaccard(labels, _prepare_clustering(drawn, method, seed)(min(count, carried)))
    return found / bootstraps


def best_jaccard(labels, others):
    """Per cluster of `labels` [G] its largest Jaccard index with a cluster of `others` [G]; -1 is in no cluster."""
    known = (labels >= 0) & (others >= 0)
    shared = np.zeros((labels.max() + 1, others.max() + 1))
    np.add.at(shared, (labels[known], others[known]), 1.0)
    sizes, other_sizes = (np.bincount(values[values >= 0]) for values in (labels, others))
    return (shared / (sizes[:, None] + other_sizes - shared)).max(axis=1)
