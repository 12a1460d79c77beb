"""Front ends: the linear map from standardised genes to the few components that the encoder sees.

Every map is fitted on the training patients given; its loadings [G, K] are all that a later patient meets.
"""

import numpy as np
from sklearn.cluster import KMeans

from radiogenomics.data import gene_sets
from radiogenomics.errors import InputError

LIMITED = ("factors", "pca", "metagenes")  # those whose number of components is genes.components
CARRIERS = 0.5  # a gene carries a factor from this share of the strongest gene's correlation with it


def fit_front_end(standardised, genes, config):
    """Fits the front end `genes.front_end`.

    "factors": principal components, rotated so that each is carried by few genes (varimax), and scored by those genes
    alone. "pca": whitened principal components. "metagenes": standardised means of the genes of k-means clusters.
    "pathways": standardised means of the genes of the sets in the GMT file `genes.gene_sets` with at least
    `genes.min_set_size` genes among `genes`. "none": the genes themselves.
    Only the components of "pca" are uncorrelated.

    Args:
      standardised: [patients, G] of the training patients, mean 0 and SD 1, constant genes 0.
      genes: [G] symbols.
      config: the configuration; reads `seed` and `genes`.

    Returns:
      (names of the K components, loadings [G, K] float32); components have mean 0 and SD 1 on the training patients.
      K = 0 for "none".

    Raises:
      InputError: for an unknown front end, more components than the patients or genes can carry, or no usable set.
    """
    kind, count = config.genes.front_end, config.genes.components
    if kind == "pca":
        return _numbered("component", count), _principal_loadings(standardised, count)
    if kind == "factors":
        return _numbered("factor", count), _factor_loadings(standardised, count)
    if kind == "metagenes":
        labels = cluster_genes(standardised, count, config.seed)
        return _numbered("metagene", count), _mean_loadings(standardised, labels[:, None] == np.arange(count))
    if kind == "pathways":
        sets = _read_sets(config.genes.gene_sets)
        sets = gene_sets.usable_sets(sets, genes, config.genes.min_set_size, "genes.gene_sets")
        members = np.array([[gene in symbols for symbols in sets.values()] for gene in genes])
        return tuple(sets), _mean_loadings(standardised, members)
    if kind == "none":
        return (), np.zeros((len(genes), 0), np.float32)
    raise InputError(f"genes.front_end: '{kind}'; expected 'factors', 'pca', 'metagenes', 'pathways' or 'none'.")


def _numbered(name, count):
    return tuple(f"{name} {number}" for number in range(1, count + 1))


def _principal_loadings(standardised, count):
    """Loadings [G, count] of whitened principal components."""
    patients, genes = standardised.shape
    _, singular, directions = np.linalg.svd(standardised, full_matrices=False)
    # Whitening a component without variance would blow up rounding errors.
    carried = int((singular > 1e-6 * max(singular[0], 1.0)).sum())
    if not 1 <= count <= carried:
        raise InputError(
            f"genes.components: {count}; {patients} training patients and {genes} genes, less the covariates adjusted "
            f"for, carry 1 to {carried}."
        )
    # The sign of a singular vector is arbitrary; fixing it keeps runs comparable across machines.
    signs = np.sign(directions[np.arange(count), np.abs(directions[:count]).argmax(axis=1)])
    return (directions[:count] * (signs * np.sqrt(patients) / singular[:count])[:, None]).T.astype(np.float32)


def _factor_loadings(standardised, count):
    """Loadings [G, count] of varimax factors, each the mean of the genes that carry it, weighted by correlation.

    All genes together would fit the training patients' chance too: with 5,000 genes and 100 patients such a factor has
    SD 1 on them and half of it on later ones, and every effect that is learned from it comes out as much too small.
    """
    loadings = _principal_loadings(standardised, count)
    loadings = loadings @ rotate_varimax(_correlations(standardised, loadings))
    weights = _correlations(standardised, loadings)
    weights = np.where(np.abs(weights) >= CARRIERS * np.abs(weights).max(axis=0), weights, 0.0)
    # The sign of a factor is arbitrary; most of its weight goes up with it.
    weights *= np.where(weights.sum(axis=0) < 0, -1.0, 1.0)
    return _scale_to_sd(standardised, weights)


def _correlations(standardised, loadings):
    """Correlations [G, K] of genes with whitened components."""
    return standardised.T @ (standardised @ loadings) / len(standardised)


def rotate_varimax(loadings, iterations=500, tolerance=1e-6):
    """The rotation [K, K] after which loadings [G, K] are large or near zero, seldom between (Kaiser 1958)."""
    rotation = np.eye(loadings.shape[1])
    for _ in range(iterations):
        rotated = loadings @ rotation
        left, _, right = np.linalg.svd(loadings.T @ (rotated**3 - rotated * np.square(rotated).mean(axis=0)))
        before, rotation = rotation, left @ right
        if np.abs(rotation - before).max() < tolerance:
            break
    return rotation


def cluster_genes(standardised, count, seed):
    """k-means clusters of genes by the correlation of their profiles.

    Args:
      standardised: [patients, G]; genes without variation belong to no cluster.
      count: number of clusters.
      seed: integer.

    Returns:
      Labels [G], 0 for the largest cluster, -1 for genes without variation.

    Raises:
      InputError: unless there are as many different profiles.
    """
    profiles, varying = unit_profiles(standardised)
    different = count_different(profiles)
    if not 1 <= count <= different:
        raise InputError(f"genes.components: {count} metagenes; {different} genes differ and carry 1 to {different}.")
    return number_by_size(KMeans(count, n_init=2, random_state=seed).fit_predict(profiles), varying)


def unit_profiles(standardised):
    """Centred profiles [n, patients] of the n genes that vary, and which of all genes do [G], from [patients, G].

    Profiles have unit length: half of a squared Euclidean distance is 1 - correlation.
    """
    profiles = (standardised - standardised.mean(axis=0)).T
    lengths = np.linalg.norm(profiles, axis=1)
    varying = lengths > 1e-6
    return profiles[varying] / lengths[varying, None], varying


def count_different(profiles):
    """How many of the profiles [n, patients] differ; rounded, because equal genes must not count as two."""
    return len(np.unique(profiles.round(6), axis=0))


def number_by_size(found, varying):
    """Labels [G], 0 for the largest cluster, from those of the genes that vary (0, 1, ...); -1 for other genes."""
    order = np.argsort(-np.bincount(found), kind="stable")
    labels = np.full(len(varying), -1)
    labels[varying] = np.argsort(order)[found]
    return labels


def _mean_loadings(standardised, members):
    """Loadings [G, K] that average the members [G, K] of each group, to SD 1; zero for a group that never varies."""
    return _scale_to_sd(standardised, members.astype(np.float64))


def _scale_to_sd(standardised, weights):
    """Weights [G, K] scaled so that components have SD 1; zero where the component never varies."""
    sd = (standardised @ weights).std(axis=0)
    return (weights / np.where(sd > 1e-6, sd, np.inf)).astype(np.float32)


def _read_sets(path):
    if not path:
        raise InputError("genes.gene_sets: empty; genes.front_end 'pathways' expects the path of a GMT file.")
    return gene_sets.read_gene_sets(path)
