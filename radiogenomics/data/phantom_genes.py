"""Expression of the phantom: co-expressed modules, decoys, batches, detection limits and absurd values, as FPKM."""

import numpy as np

from radiogenomics.errors import InputError


def name_modules(config):
    """Names of the modules, M01, M02, ...; InputError unless there is one. The last is the batch module."""
    if config.phantom.modules < 1:
        raise InputError(f"phantom.modules: {config.phantom.modules}; expected at least 1.")
    return [f"M{number:02d}" for number in range(1, config.phantom.modules + 1)]


def plant_genes(config, links, generator):
    """Names of the genes of every module, of the decoys and of the rest, in a random common order.

    Args:
      config: the configuration; reads `phantom`.
      links: the planted links; the modules that they name are drivers and get decoys.
      generator: numpy Generator.

    Returns:
      (genes, modules, decoys): symbols in vector order; module name -> list of symbols; symbol -> driver module.

    Raises:
      InputError: where modules and decoys need more genes than there are.
    """
    low, high = config.phantom.module_size
    names = name_modules(config)
    sizes = generator.integers(low, high + 1, size=len(names))
    modules = {
        name: [f"{name}G{number:03d}" for number in range(1, size + 1)] for name, size in zip(names, sizes, strict=True)
    }
    drivers = sorted({module for link in links for module in link["modules"]})
    decoys = {
        f"D{driver[1:]}G{number:03d}": driver
        for driver in drivers
        for number in range(1, config.phantom.decoys_per_driver + 1)
    }
    rest = config.phantom.genes - sum(sizes) - len(decoys)
    if rest < 0:
        raise InputError(
            f"phantom.genes: {config.phantom.genes}; expected at least the {sum(sizes) + len(decoys)} "
            "of the modules and decoys."
        )
    genes = [gene for members in modules.values() for gene in members] + list(decoys)
    genes += [f"N{number:05d}" for number in range(1, rest + 1)]
    return [genes[index] for index in generator.permutation(len(genes))], modules, decoys


def simulate_expression(config, planted, latents, second_batch, stream):
    """FPKM of every patient.

    A gene's log2 FPKM is normal over patients: loading times latent (its module, its driver or the weak global
    factors), completed by its own part to variance 1, plus the shift of the batch, scaled to the gene's mean and SD.
    Counts are Poisson; what falls below the detection limit is NaN; a few values are absurd, as in the public table.

    Args:
      config: the configuration; reads `phantom`.
      planted: result of `plant_genes`.
      latents: [patients, modules] standard normal.
      second_batch: [patients] 0 or 1.
      stream: function from a name to an independent numpy Generator.

    Returns:
      [patients, genes] float32 FPKM, NaN = not detected. A patient's row, absurd values apart, does not depend on the
      number of patients.
    """
    loadings = _loadings(config, planted, stream("loadings"))
    weak = stream("global factors").standard_normal((len(latents), config.phantom.global_factors))
    shared = np.concatenate([latents, weak], axis=1) @ loadings
    own_sd = config.phantom.gene_noise * np.sqrt(np.maximum(1.0 - np.sum(loadings**2, axis=0), 0.05))
    own = stream("gene noise").standard_normal(shared.shape) * own_sd
    standard = shared + own + np.outer(second_batch - 0.5, _batch_shift(config, planted, stream("batch shift")))
    fpkm = _count(config, standard, stream("levels"), stream("counts"))
    fpkm[fpkm < config.phantom.detection_fpkm] = np.nan
    return _spoil(config, fpkm, stream("outliers")).astype(np.float32)


def _loadings(config, planted, generator):
    """[modules + global factors, genes]: correlation of each gene with each latent."""
    genes, modules, decoys = planted
    names = list(modules)
    module_of = {gene: name for name, members in modules.items() for gene in members}
    strong = generator.uniform(*config.phantom.loading, size=len(genes))
    weak = config.phantom.global_loading * generator.standard_normal((config.phantom.global_factors, len(genes)))
    loadings = np.zeros((len(names) + len(weak), len(genes)))
    for column, gene in enumerate(genes):
        if gene in module_of:
            loadings[names.index(module_of[gene]), column] = strong[column]
        elif gene in decoys:
            loadings[names.index(decoys[gene]), column] = config.phantom.decoy_loading
        else:
            loadings[len(names) :, column] = weak[:, column]
    return loadings


def _batch_shift(config, planted, generator):
    """[genes] SDs by which the second batch lies above the first: mild at random, strong in the last module."""
    genes, modules, _ = planted
    shifted = generator.random(len(genes)) < config.phantom.batch_gene_share
    sign = generator.choice([-1.0, 1.0], size=len(genes))
    shift = config.phantom.batch_gene_strength * sign * shifted
    strong = set(modules[name_modules(config)[-1]])
    return np.where([gene in strong for gene in genes], config.phantom.batch_module_strength, shift)


def _count(config, standard, levels, counts):
    """FPKM with Poisson counting noise from standardised log2 expression [patients, genes]."""
    mean, spread = config.phantom.log2_mean
    gene_mean = mean + spread * levels.standard_normal(standard.shape[1])
    gene_sd = levels.uniform(*config.phantom.log2_sd, size=standard.shape[1])
    per_fpkm = config.phantom.counts_per_fpkm
    return counts.poisson(per_fpkm * 2.0 ** np.clip(gene_mean + gene_sd * standard, -10.0, 16.0)) / per_fpkm


def _spoil(config, fpkm, generator):
    """Overwrites a few values of a few genes with 1e6 to 1e9, a known flaw of the public table."""
    columns = generator.choice(fpkm.shape[1], size=min(config.phantom.outlier_genes, fpkm.shape[1]), replace=False)
    if len(columns):
        size = config.phantom.outliers
        values = 10.0 ** generator.uniform(6.0, 9.0, size=size)
        fpkm[generator.integers(len(fpkm), size=size), generator.choice(columns, size=size)] = values
    return fpkm
