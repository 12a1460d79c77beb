"""The report of a run: one self-contained page made from the files that the other commands wrote.

    write_report("runs/phantom", baseline="runs/classical")   # runs/phantom/report.html
"""

import json
import pathlib

import jinja2
import markupsafe
import numpy as np

from radiogenomics import outputs, provenance
from radiogenomics.analysis import audit
from radiogenomics.data.patches import middle_slice
from radiogenomics.reports import (
    cohort_tables,
    dose_figures,
    evaluation_sections,
    formatting,
    interactive,
    map_figures,
    map_tables,
    sample_figures,
    style,
    summary,
)
from radiogenomics.reports.files import read_files

THUMBNAILS = 16
GENES_DRAWN = 9  # per supported feature, in the static map
GENES_EXPLORED = 30  # per supported feature, in the interactive map
GENES_LISTED = 10
METAGENES_DRAWN = 5
SETS_LISTED = 30
GENES_PER_REGION = 5


def write_report(workdir, baseline=None, cohort=None):
    """Writes `report.html` into a run folder and returns its path; arguments and errors as `read_files`."""
    return write_page(read_files(workdir, baseline, cohort))


def write_page(files):
    """Renders `report.html` of `ReportFiles` into its run folder; returns the path."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    forms = (formatting.number, formatting.correlation, formatting.p_value, formatting.share, formatting.interval)
    environment.filters |= {form.__name__: form for form in forms}
    page = environment.get_template("report.html").render(
        summary=summary.summarise(files.evaluation, files.dataset, files.fdr, files.baseline, files.truth),
        labels=map_tables.feature_labels(files.dataset),
        units=map_tables.feature_units(files.dataset),
        family_wise=map_tables.FAMILY_WISE,
        fdr=files.fdr,
        name=files.workdir.resolve().name,
        adjusted_for=files.dataset.attrs.get("adjusted_for", ""),
        cohort=cohort_section(files),
        samples=sample_section(files),
        gate=evaluation_sections.gate_section(files),
        variance=evaluation_sections.variance_section(files),
        gene_code=evaluation_sections.gene_code_section(files),
        likeness=evaluation_sections.likeness_section(files),
        map=map_section(files),
        enrichment=enrichment_section(files),
        pixels=pixel_section(files),
        baseline=baseline_section(files),
        truth=truth_section(files),
        settings=settings_section(files),
    )
    outputs.write_text(files.workdir / "report.html", page)
    return files.workdir / "report.html"


def cohort_section(files):
    """Counts, drops, covariates by fold and thumbnails; None where the cohort's folder is gone."""
    if files.cohort is None:
        return None
    quality = files.quality or {"patients": [], "counts": {}, "genes": {}}
    warned = [row for row in quality["patients"] if row["kept"] and row.get("warnings")]
    return {
        "counts": quality["counts"],
        "patches": len(files.cohort.nodules.image_hu),
        "backgrounds": len(files.cohort.backgrounds.image_hu),
        "shape": " × ".join(map(str, files.cohort.patch_shape)),
        "spacing_mm": files.cohort.spacing_mm,
        "genes": len(files.cohort.genes),
        "drops": cohort_tables.drop_rows(quality),
        "warned": [(row["patient"], "; ".join(map(str, row["warnings"]))) for row in warned],
        "dates": quality["genes"].get("date_like_symbols", []),
        "implausible": len(quality["genes"].get("implausible", {})),
        "covariates": cohort_tables.covariate_rows(files.cohort.covariates, files.evaluation["folds"]),
        "folds": [len(fold) for fold in files.evaluation["folds"]],
        "thumbnails": _thumbnails(files),
    }


def _thumbnails(files):
    """Nodules of patients spread evenly over the cohort's order of size, smallest first."""
    nodules, patients = files.cohort.nodules, files.cohort.patients
    pairs = zip(nodules.image_hu, nodules.mask, strict=True)
    planes = [tuple(map(middle_slice, pair)) for pair in pairs]
    area = np.array([mask.sum() for _, mask in planes])
    largest = [max(np.flatnonzero(nodules.patient == row), key=lambda place: area[place], default=None)
               for row in range(len(patients))]
    largest = sorted((place for place in largest if place is not None), key=lambda place: area[place])
    chosen = [largest[place] for place in np.unique(np.linspace(0, len(largest) - 1, THUMBNAILS).round().astype(int))]
    images, masks = zip(*(planes[place] for place in chosen), strict=True)
    names = [patients[nodules.patient[place]] for place in chosen]
    return style.encode(sample_figures.draw_nodules(images, masks, names, files.config["data"]["window_hu"]))


def sample_section(files):
    """Sample grids and training curves."""
    metrics = {name.replace("_", " "): frame for name, frame in files.metrics.items()}
    return {
        "grids": [
            (name.replace("_", " "), style.encode(sample_figures.draw_samples(grid, name.replace("_", " "))))
            for name, grid in files.samples.items()
        ],
        "gallery": gallery_section(files),
        "training": style.encode(sample_figures.draw_training(metrics)) if metrics else None,
        "steps": files.config["train"]["steps"],
    }


def gallery_section(files):
    """Nodules that show what genes, noise and a metagene do; None where an older map has none."""
    if files.gallery is None:
        return None
    figure = sample_figures.draw_gallery(files.gallery, files.config["data"]["window_hu"])
    return {"figure": style.encode(figure), **{name: files.gallery.attrs[name] for name in ("metagene", "patient")}}


def map_section(files):
    """Heat maps, the interactive one, and the top genes of every feature."""
    dataset, fdr = files.dataset, files.fdr
    supported = map_tables.supported_features(dataset)
    judged = {name for name, row in files.evaluation["gate"].items() if row.get("supported")}
    return {
        "genes": style.encode(map_figures.draw_gene_map(dataset, map_tables.group_genes(dataset, GENES_DRAWN), fdr)),
        "metagenes": style.encode(map_figures.draw_metagene_map(dataset, fdr)),
        # Markup: plotly's own fragment, in which every name was escaped.
        "interactive": markupsafe.Markup(
            interactive.interactive_map(dataset, map_tables.group_genes(dataset, GENES_EXPLORED))
        ),
        "doses": dose_section(files),
        "supported": supported,
        "limit": map_tables.describe_detection(dataset),
        "audit": audit.tell(files.audit) if files.audit else None,
        "stale": judged & set(dataset["feature"].values) != set(supported),
        "hits": int((dataset["q"].sel(feature=supported).values < fdr).sum()),
        "top": [
            (feature, feature in supported, map_tables.top_genes(dataset, feature, GENES_LISTED))
            for feature in map_tables.order_features(dataset)
        ],
    }


def enrichment_section(files):
    """Gene sets with q below the FDR; None where no sets were given."""
    if files.enrichment is None:
        return None
    rows, found = map_tables.enrichment_rows(files.enrichment, files.fdr, SETS_LISTED)
    return {"rows": rows, "found": found, "sets": files.enrichment["set"].nunique()}


def dose_section(files):
    """Dose-response of each feature's strongest metagene; None where the run has none that belong to its map."""
    chosen = dose_figures.choose_curves(files.dataset, files.dose_response)
    if not chosen:
        return None
    return style.encode(dose_figures.draw_dose_response(files.dataset, files.dose_response, chosen))


def pixel_section(files):
    """Pixel maps of the metagenes with the strongest evidence."""
    rows = map_tables.metagene_rows(files.dataset, METAGENES_DRAWN)
    spacing_mm = files.config["data"]["extent_mm"] / files.config["data"]["size"]
    names = [row["metagene"] for row in rows]
    return {
        "rows": rows,
        "figure": style.encode(map_figures.draw_pixels(files.dataset, names, spacing_mm)),
        "volume": "z" in files.dataset["pixel_effect"].dims,
        "regions": map_tables.region_rows(files.dataset, GENES_PER_REGION),
    }


def baseline_section(files):
    """The classical map beside the generator's; None where none was given."""
    if files.baseline is None:
        return None
    rows = map_tables.compare_maps(files.dataset, files.baseline, files.fdr)
    return {
        "rows": rows,
        "truth": files.truth is not None,
        "top": [_top_beside(files, row) for row in rows],
        "figure": style.encode(
            map_figures.draw_comparison(files.dataset, files.baseline, rows, _planted(files.truth))
        ) if rows else None,
    }


def _top_beside(files, row):
    ours = map_tables.top_genes(files.dataset, row["feature"], GENES_LISTED)
    theirs = map_tables.top_genes(files.baseline, row["feature"], GENES_LISTED)
    shared = {gene["gene"] for gene in ours} & {gene["gene"] for gene in theirs}
    return {"feature": row["feature"], "supported": row["supported"], "pairs": list(zip(ours, theirs, strict=False)),
            "shared": shared}


def _planted(truth):
    """{feature: genes planted for it}."""
    planted = {}
    for link in (truth or {}).get("links", ()):
        genes = [gene for module in link["modules"] for gene in truth["modules"][module]]
        planted.setdefault(link["feature"], set()).update(genes)
    return planted


def truth_section(files):
    """The three routes against the planted truth; None where there is none."""
    if files.truth is None:
        return None
    planted = map_tables.score_routes(files.dataset, files.baseline, files.truth, files.fdr)
    drawn = style.encode(map_figures.draw_recovery(planted)) if planted["links"] else None
    return planted | {"figure": drawn, "failing": map_tables.FAILING_PRECISION}


def settings_section(files):
    """Versions and resolved settings."""
    environment, now = files.environment, provenance.environment()
    return {
        "packages": environment.get("packages", {}),
        "facts": [
            ("code revision", environment.get("git_revision")),
            ("code revision of this report", f"{now['git_revision']} (version {now['packages']['radiogenomics']})"),
            ("went on in another environment or with other settings", f"{len(environment.get('continued', []))} times"),
            ("cohort fingerprint", environment.get("cohort_fingerprint")),
            ("Python", environment.get("python")),
            ("platform", environment.get("platform")),
            ("devices", ", ".join(map(str, environment.get("devices", [])))),
        ],
        "config": json.dumps(files.config, indent=1),
    }
