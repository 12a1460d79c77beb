"""The report of a run: one self-contained page made from the files that the other commands wrote.

    write_report("runs/phantom", baseline="runs/classical")   # runs/phantom/report.html
"""

import dataclasses
import json
import pathlib
import re

import jinja2
import markupsafe
import matplotlib.image
import numpy as np
import pandas as pd
import xarray

from radiogenomics import outputs
from radiogenomics.analysis import map_files
from radiogenomics.data import cohort as cohorts
from radiogenomics.errors import InputError
from radiogenomics.reports import figures, tables
from radiogenomics.train import rundir

THUMBNAILS = 16
SCATTERS = 4
GENES_DRAWN = 9  # per supported feature, in the static map
GENES_EXPLORED = 30  # per supported feature, in the interactive map
GENES_LISTED = 10
METAGENES_DRAWN = 5


@dataclasses.dataclass(frozen=True)
class ReportFiles:
    """What a report is made from."""

    workdir: pathlib.Path
    config: dict
    environment: dict
    evaluation: dict
    dataset: xarray.Dataset  # map.nc of the run
    metrics: dict  # fold -> DataFrame
    samples: dict  # fold -> the last sample grid [rows, columns] in 0..1
    cohort: cohorts.Cohort | None  # None where its folder is gone
    quality: dict | None  # qc.json
    baseline: xarray.Dataset | None

    @property
    def truth(self):
        """Planted truth of a phantom, or None."""
        return self.cohort.truth if self.cohort else None

    @property
    def fdr(self):
        """q below which a gene counts as found."""
        return self.config["map"]["fdr"]


def write_report(workdir, baseline=None, cohort=None):
    """Writes `report.html` into a run folder and returns its path; arguments and errors as `read_files`."""
    return write_page(read_files(workdir, baseline, cohort))


def read_files(workdir, baseline=None, cohort=None):
    """Reads everything a report shows.

    Args:
      workdir: run folder with evaluation.json and map.nc.
      baseline: folder of a classical map, if one is to stand beside.
      cohort: the cohort's folder where it has moved; by default the one recorded, and if that is gone the report does
        without.

    Raises:
      InputError: where a needed file is missing or damaged, or the cohort is another one.
    """
    workdir = pathlib.Path(workdir)
    for name in ("config.json", "environment.json"):
        if not (workdir / name).is_file():
            raise InputError(f"{workdir}: not a run folder (no {name} in it); make one with launch/train.py.")
    environment = outputs.read_json(workdir / "environment.json")
    found = _read_cohort(workdir, cohort, environment.get("cohort"))
    quality = found.directory / "qc.json" if found else None
    folds = sorted(path for path in workdir.glob("fold_*") if re.fullmatch(r"fold_\d+", path.name))
    folds.sort(key=lambda path: int(path.name.removeprefix("fold_")))
    metrics = {path.name: _read_metrics(path / "metrics.jsonl") for path in folds}
    samples = {path.name: _read_last_sample(path / "samples") for path in folds}
    return ReportFiles(
        workdir=workdir,
        config=outputs.read_json(workdir / "config.json"),
        environment=environment,
        evaluation=_read_evaluation(workdir / "evaluation.json"),
        dataset=_read_map(workdir),
        metrics={name: frame for name, frame in metrics.items() if frame is not None},
        samples={name: grid for name, grid in samples.items() if grid is not None},
        cohort=found,
        quality=outputs.read_json(quality) if quality and quality.is_file() else None,
        baseline=map_files.read_map(pathlib.Path(baseline)) if baseline else None,
    )


def _read_cohort(workdir, given, recorded):
    """The cohort in the folder given or recorded; None where none is given and the recorded one is gone."""
    if given is None and not (recorded and (pathlib.Path(recorded) / "split.json").is_file()):
        return None
    cohort = cohorts.load_cohort(given or recorded)
    rundir.check_same_cohort(workdir, cohort)
    return cohort


def _read_evaluation(path):
    if not path.is_file():
        raise InputError(f"{path}: no such file; write it with launch/evaluate.py.")
    evaluation = outputs.read_json(path)
    missing = [name for name in ("patients", "folds", "gate") if name not in evaluation]
    if missing:
        raise InputError(f"{path}: has no field '{missing[0]}'; write it again with launch/evaluate.py.")
    return evaluation


def _read_map(workdir):
    if not (workdir / "map.nc").is_file():
        raise InputError(f"{workdir / 'map.nc'}: no such file; write it with launch/map.py.")
    return map_files.read_map(workdir)


def _read_metrics(path):
    """A DataFrame of metrics.jsonl, or None where there is none."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    try:
        return pd.DataFrame([json.loads(line) for line in lines]) if lines else None
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not lines of JSON ({error}).") from error


def _read_last_sample(directory):
    """The grid [rows, columns] of the latest step, or None where there is none."""
    paths = sorted(directory.glob("step_*.png"), key=lambda path: path.name)
    if not paths:
        return None
    try:
        picture = matplotlib.image.imread(paths[-1])
    except (OSError, SyntaxError) as error:  # a damaged PNG is a SyntaxError to the reader of images
        raise InputError(f"{paths[-1]}: not a readable image ({error}).") from error
    return picture if picture.ndim == 2 else picture[..., 0]


def write_page(files):
    """Renders `report.html` of `ReportFiles` into its run folder; returns the path."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent), autoescape=True,
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
    )
    environment.filters |= {"number": tables.number, "correlation": tables.correlation, "p_value": tables.p_value}
    page = environment.get_template("report.html").render(
        summary=tables.summarise(files.evaluation, files.dataset, files.fdr, files.baseline, files.truth),
        labels=tables.feature_labels(files.dataset),
        units=tables.feature_units(files.dataset),
        family_wise=tables.FAMILY_WISE,
        fdr=files.fdr,
        name=files.workdir.resolve().name,
        adjusted_for=files.dataset.attrs.get("adjusted_for", ""),
        cohort=cohort_section(files),
        samples=sample_section(files),
        gate=gate_section(files),
        map=map_section(files),
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
        "drops": tables.drop_rows(quality),
        "warned": [(row["patient"], "; ".join(map(str, row["warnings"]))) for row in warned],
        "dates": quality["genes"].get("date_like_symbols", []),
        "implausible": len(quality["genes"].get("implausible", {})),
        "covariates": tables.covariate_rows(files.cohort.covariates, files.evaluation["folds"]),
        "folds": [len(fold) for fold in files.evaluation["folds"]],
        "thumbnails": _thumbnails(files),
    }


def _thumbnails(files):
    """Nodules of patients spread evenly over the cohort's order of size, smallest first."""
    nodules, patients = files.cohort.nodules, files.cohort.patients
    planes = [(_middle(image), _middle(mask)) for image, mask in zip(nodules.image_hu, nodules.mask, strict=True)]
    area = np.array([mask.sum() for _, mask in planes])
    largest = [max(np.flatnonzero(nodules.patient == row), key=lambda place: area[place], default=None)
               for row in range(len(patients))]
    largest = sorted((place for place in largest if place is not None), key=lambda place: area[place])
    chosen = [largest[place] for place in np.unique(np.linspace(0, len(largest) - 1, THUMBNAILS).round().astype(int))]
    images, masks = zip(*(planes[place] for place in chosen), strict=True)
    names = [patients[nodules.patient[place]] for place in chosen]
    return figures.encode(figures.draw_nodules(images, masks, names, files.config["data"]["window_hu"]))


def _middle(plane):
    return plane if plane.ndim == 2 else plane[len(plane) // 2]


def sample_section(files):
    """Sample grids and training curves."""
    metrics = {name.replace("_", " "): frame for name, frame in files.metrics.items()}
    return {
        "grids": [
            (name.replace("_", " "), figures.encode(figures.draw_samples(grid, name.replace("_", " "))))
            for name, grid in files.samples.items()
        ],
        "training": figures.encode(figures.draw_training(metrics)) if metrics else None,
        "steps": files.config["train"]["steps"],
    }


def gate_section(files):
    """Gate table, forest plot, scatter of the best features, quality table."""
    rows = tables.gate_rows(files.evaluation["gate"], files.dataset)
    panels = _patient_panels(files, rows)
    names = [f"fold {number}" for number in range(len(files.evaluation["folds"]))]
    ratios = tables.spread_ratios((files.evaluation.get("realism") or {}).get("sd_between_patients") or {})
    labels = tables.feature_labels(files.dataset)
    return {
        "rows": rows,
        "forest": figures.encode(figures.draw_gate(rows)),
        "scatter": figures.encode(figures.draw_patients(panels, names)) if panels else None,
        "quality": tables.quality_rows(files.evaluation),
        "spread": [(labels.get(name, name), ratio) for name, ratio in ratios.items()],
    }


def _patient_panels(files, rows):
    """Real and synthesised values by fold of the features with the highest r, supported ones first."""
    values = files.evaluation.get("values")
    if not values:
        return []
    real, synthetic = (np.array(values[name], float) for name in ("adjusted", "synthetic"))
    position = {patient: row for row, patient in enumerate(files.evaluation["patients"])}
    folds = [[position[patient] for patient in fold] for fold in files.evaluation["folds"]]
    known = [row for row in rows if row["feature"] in values["features"] and row["r"] is not None]
    best = sorted(known, key=lambda row: (not row["supported"], -row["r"]))[:SCATTERS]
    return [
        row | {"folds": [(synthetic[fold, column], real[fold, column]) for fold in folds]}
        for row in best
        for column in [values["features"].index(row["feature"])]
    ]


def map_section(files):
    """Heat maps, the interactive one, and the top genes of every feature."""
    dataset, fdr = files.dataset, files.fdr
    supported = tables.supported_features(dataset)
    judged = {name for name, row in files.evaluation["gate"].items() if row.get("supported")}
    return {
        "genes": figures.encode(figures.draw_gene_map(dataset, tables.group_genes(dataset, GENES_DRAWN), fdr)),
        "metagenes": figures.encode(figures.draw_metagene_map(dataset, fdr)),
        # Markup: plotly's own fragment, in which every name was escaped.
        "interactive": markupsafe.Markup(
            figures.interactive_map(dataset, tables.group_genes(dataset, GENES_EXPLORED))
        ),
        "supported": supported,
        "stale": judged & set(dataset["feature"].values) != set(supported),
        "hits": int((dataset["q"].sel(feature=supported).values < fdr).sum()),
        "top": [
            (feature, feature in supported, tables.top_genes(dataset, feature, GENES_LISTED))
            for feature in tables.order_features(dataset)
        ],
    }


def pixel_section(files):
    """Pixel maps of the metagenes with the strongest evidence."""
    rows = tables.metagene_rows(files.dataset, METAGENES_DRAWN)
    spacing_mm = files.config["data"]["extent_mm"] / files.config["data"]["size"]
    names = [row["metagene"] for row in rows]
    return {
        "rows": rows,
        "figure": figures.encode(figures.draw_pixels(files.dataset, names, spacing_mm)),
        "volume": "z" in files.dataset["pixel_effect"].dims,
    }


def baseline_section(files):
    """The classical map beside the generator's; None where none was given."""
    if files.baseline is None:
        return None
    rows = tables.compare_maps(files.dataset, files.baseline, files.fdr)
    return {
        "rows": rows,
        "truth": files.truth is not None,
        "top": [_top_beside(files, row) for row in rows],
        "figure": figures.encode(
            figures.draw_comparison(files.dataset, files.baseline, rows, _planted(files.truth))
        ) if rows else None,
    }


def _top_beside(files, row):
    ours = tables.top_genes(files.dataset, row["feature"], GENES_LISTED)
    theirs = tables.top_genes(files.baseline, row["feature"], GENES_LISTED)
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
    planted = tables.score_routes(files.dataset, files.baseline, files.truth, files.fdr)
    drawn = figures.encode(figures.draw_recovery(planted)) if planted["links"] else None
    return planted | {"figure": drawn, "failing": tables.FAILING_PRECISION}


def settings_section(files):
    """Versions and resolved settings."""
    environment = files.environment
    return {
        "packages": environment.get("packages", {}),
        "facts": [
            ("code revision", environment.get("git_revision")),
            ("cohort fingerprint", environment.get("cohort_fingerprint")),
            ("Python", environment.get("python")),
            ("platform", environment.get("platform")),
            ("devices", ", ".join(map(str, environment.get("devices", [])))),
        ],
        "config": json.dumps(files.config, indent=1),
    }
