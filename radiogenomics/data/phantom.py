"""The phantom cohort: simulated patients whose genes drive their nodules by a planted, known map."""

import zlib

import numpy as np

from radiogenomics import settings
from radiogenomics.data import cohort, patches, phantom_genes, phantom_images
from radiogenomics.errors import InputError
from radiogenomics.radiomics import names

MODULES_OF_KIND = {"linear": 1, "u": 1, "interaction": 2}
KERNELS = ("STANDARD", "LUNG")  # of sequencing batch 1 and 2
SLICE_THICKNESS_MM = {"A": (1.0, 1.25, 1.5), "B": (1.25, 2.0)}
HISTOLOGY = {"Adenocarcinoma": 0.72, "Squamous cell carcinoma": 0.24, "NSCLC NOS (not otherwise specified)": 0.04}
SMOKING = {"Former": 0.68, "Current": 0.18, "Nonsmoker": 0.14}


def simulate(config, progress=None):
    """Simulates the phantom cohort, the same for the same configuration.

    Every source of chance has its own stream, and a patient's images and factors do not depend on how many follow.

    Args:
      config: the configuration; reads `seed`, `data` and `phantom` (configs/phantom.py).
      progress: optional function that wraps the iterable of patient numbers, such as a progress bar.

    Returns:
      A `cohort.Collected` with its truth.

    Raises:
      InputError: for links that name unknown modules, factors or kinds, or too few genes or patients.
    """
    if "phantom" not in config:
        raise InputError("config: no section 'phantom'; data.source 'phantom' needs that of configs/phantom.py.")

    def stream(name, *numbers):
        return np.random.default_rng([config.seed, zlib.crc32(name.encode()), *numbers])

    modules = phantom_genes.name_modules(config)
    links = _read_links(config, modules)
    planted = phantom_genes.plant_genes(config, links, stream("genes"))
    covariates = _draw_covariates(config, stream("covariates"))
    latents = stream("latents").standard_normal((len(covariates), len(modules)))
    factors, signals = _drive_factors(links, modules, latents, stream("factors"))
    second_batch = np.array([row["sequencing_batch"] == "2" for row in covariates], dtype=int)
    expression = phantom_genes.simulate_expression(config, planted, latents, second_batch, stream)
    numbers = range(len(covariates))
    patients = [
        _simulate_patient(config, number, factors[number], covariates[number], expression[number], stream)
        for number in (numbers if progress is None else progress(numbers))
    ]
    ids = [patient.patient for patient in patients]
    quality = [{"patient": name, "kept": True, "reason": "", "warnings": []} for name in ids]
    truth = {
        "modules": planted[1],
        "links": links,
        "decoys": planted[2],
        "batch_module": modules[-1],
        "factors": dict(zip(ids, factors, strict=True)),
        "signals": dict(zip(ids, signals, strict=True)),
    }
    return cohort.Collected(patients=patients, genes=planted[0], qc=quality, truth=truth)


def _read_links(config, modules):
    """The planted links as plain dicts, checked; a link without `effect` has `config.phantom.effect`."""
    links = []
    for link in config.phantom.links:
        missing = sorted({"modules", "factor", "feature", "kind"} - set(link))
        if missing:
            raise InputError(f"phantom.links: a link without '{missing[0]}'; expected modules, factor, feature, kind.")
        link = {
            "modules": list(link["modules"]),
            "factor": link["factor"],
            "feature": names.describe_feature(link["feature"]).name,
            "kind": link["kind"],
            "effect": float(link.get("effect", config.phantom.effect)),
        }
        _check_link(link, modules[:-1], [other["factor"] for other in links])
        links.append(link)
    return links


def _check_link(link, drivers, taken):
    """InputError unless the link's kind, modules (among `drivers`), factor (none of `taken`) and effect make sense."""
    count = MODULES_OF_KIND.get(link["kind"])
    if count is None:
        raise InputError(f"phantom.links: kind '{link['kind']}'; expected one of {', '.join(MODULES_OF_KIND)}.")
    if len(link["modules"]) != count or not set(link["modules"]) <= set(drivers):
        raise InputError(
            f"phantom.links: {link['kind']} link of modules {link['modules']}; expected {count} of {drivers} "
            "(the last module is the batch's)."
        )
    if link["factor"] not in phantom_images.FACTORS or link["factor"] in taken:
        raise InputError(
            f"phantom.links: factor '{link['factor']}'; expected each of {', '.join(phantom_images.FACTORS)} "
            "at most once."
        )
    if not -1.0 <= link["effect"] <= 1.0:
        raise InputError(f"phantom.links: effect {link['effect']:g}; expected a correlation in -1..1.")


def _drive_factors(links, modules, latents, generator):
    """Per patient, factor -> value and factor -> gene-driven part, both of mean 0 and variance 1 in the population."""
    own = dict(zip(phantom_images.FACTORS, generator.standard_normal((len(latents), 6)).T, strict=True))
    signals = {}
    for link in links:
        driver = [latents[:, modules.index(name)] for name in link["modules"]]
        signals[link["factor"]] = {
            "linear": lambda first: first,
            "u": lambda first: (first**2 - 1.0) / np.sqrt(2.0),
            "interaction": lambda first, second: first * second,
        }[link["kind"]](*driver)
    effect = {link["factor"]: link["effect"] for link in links}
    factors = {
        name: effect[name] * signals[name] + np.sqrt(1.0 - effect[name] ** 2) * rest if name in signals else rest
        for name, rest in own.items()
    }
    return _rows(factors, len(latents)), _rows(signals, len(latents))


def _rows(columns, count):
    return [{name: float(values[row]) for name, values in columns.items()} for row in range(count)]


def _draw_covariates(config, generator):
    """One dict a patient; site and sequencing batch go together, but not always."""
    if config.phantom.patients < 1:
        raise InputError(f"phantom.patients: {config.phantom.patients}; expected at least 1.")
    return [_draw_patient(config, chance) for chance in generator.random((config.phantom.patients, 7))]


def _draw_patient(config, chance):
    """Covariates of one patient from seven uniform numbers (a fixed count, so that patients stay independent)."""
    site = "A" if chance[0] < config.phantom.site_share else "B"
    first_batch = chance[1] < config.phantom.first_batch_shares["AB".index(site)]
    thickness = SLICE_THICKNESS_MM[site]
    return {
        "site": site,
        "sequencing_batch": "1" if first_batch else "2",
        "histology": _pick(HISTOLOGY, chance[2]),
        "sex": "Male" if chance[3] < 0.6 else "Female",
        "age": float(np.round(48.0 + 38.0 * chance[4])),
        "smoking": _pick(SMOKING, chance[5]),
        "kernel": KERNELS[0 if first_batch else 1],
        "slice_thickness_mm": thickness[int(chance[6] * len(thickness))],
    }


def _pick(shares, chance):
    """The level on which a uniform number falls."""
    return list(shares)[min(int(np.searchsorted(np.cumsum(list(shares.values())), chance)), len(shares) - 1)]


def _simulate_patient(config, number, factors, covariates, expression, stream):
    batch = int(covariates["sequencing_batch"]) - 1
    volume, mask, centers = phantom_images.simulate_scan(
        config, factors, batch, covariates["slice_thickness_mm"], stream("images", number)
    )
    image, nodule, slices = patches.nodule_patches(volume, mask, phantom_images.SPACING_MM, config)
    background, background_slices = patches.background_patches(volume, centers, phantom_images.SPACING_MM, config)
    volume_mm3 = float(mask.sum())
    return cohort.Patient(
        patient=f"P{number + 1:03d}",
        nodule_image_hu=image,
        nodule_mask=nodule,
        nodule_slice=slices,
        background_image_hu=background,
        background_slice=background_slices,
        spacing_mm=settings.spacing_mm(config),
        expression=expression,
        covariates=covariates,
        measurements={"diameter_mm": (6.0 * volume_mm3 / np.pi) ** (1 / 3), "volume_mm3": volume_mm3},
    )
