"""Maps on disk: map.nc (xarray) and its tables for people (CSV)."""

import pathlib

import numpy as np
import pandas as pd
import xarray

from radiogenomics import outputs
from radiogenomics.analysis import enrichment, evaluation
from radiogenomics.analysis.gallery import make_gallery
from radiogenomics.analysis.mapping import map_with_predictions
from radiogenomics.analysis.metagenes import Metagenes
from radiogenomics.analysis.perturbation import dose_response
from radiogenomics.data import gene_sets
from radiogenomics.errors import InputError

# What h5netcdf and xarray raise for HDF5 files that are no maps.
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError, RuntimeError)
DOSE_NOISES = 2  # a background; patients average the curves, so that the map's many noises would only take time


def map_run(run, sets_path=None, more_runs=()):
    """Computes the map of a run and writes it into its folder; evaluates the run first where that was not done.

    Beside it, `dose_response.nc` holds the dose-response of every feature's strongest metagene, `gallery.nc` nodules
    that show what genes, noise and the strongest metagene do, and with a GMT file `enrichment.csv` the gene sets;
    without one there is none, so that no older map's is left. `more_runs` as for `radiogenomic_map`; gate, doses and
    gallery are those of `run`.
    """
    sets = _read_sets(run, sets_path) if sets_path else None
    path = run.workdir / "evaluation.json"
    evaluated = outputs.read_json(path) if path.exists() else evaluation.evaluate(run)
    dataset, predictions = map_with_predictions(run, gate=evaluated["gate"], more_runs=more_runs)
    curves = dose_response(
        run, metagenes=list(dict.fromkeys(strongest_metagenes(dataset).values())), weights=mapped_metagenes(dataset),
        noises=min(DOSE_NOISES, run.config.map.noises),
    )
    gallery = make_gallery(run, strongest_metagene(dataset), mapped_metagenes(dataset))
    remove_companions(run.workdir)
    write_map(run.workdir, dataset, run.config.map.fdr)
    write_dataset(run.workdir / "dose_response.nc", curves)
    write_dataset(run.workdir / "gallery.nc", gallery)
    if sets is not None:
        write_enrichment(run, predictions, sets)
    return dataset


def _read_sets(run, path):
    """The sets of a GMT file that the run's genes can test; told before the map is computed, which takes minutes."""
    sets = gene_sets.read_gene_sets(path)
    enrichment.set_members(sets, run.cohort.genes, run.config.genes.min_set_size)
    return sets


def remove_companions(directory):
    """Removes what an older map left, so that it never stands beside a new one, not even when writing is stopped."""
    for name in ("dose_response.nc", "gallery.nc", "enrichment.csv"):
        (directory / name).unlink(missing_ok=True)


def write_enrichment(run, predictions, sets):
    """Writes `enrichment.csv` of gene sets {name: symbols} into a run's folder."""
    config = run.config
    table = enrichment.enrich(
        predictions, sets, smallest=config.genes.min_set_size, permutations=config.map.permutations, seed=config.seed
    )
    _write_csv(run.workdir / "enrichment.csv", table)


def mapped_metagenes(dataset):
    """The `Metagenes` of a map."""
    names = tuple(str(name) for name in dataset["metagene"].values)
    return Metagenes(names, dataset["metagene_loading"].values, dataset["metagene_stability"].values)


def strongest_metagenes(dataset):
    """{feature: the metagene with the highest score for it} of a map; the score sees links without a slope too."""
    best = dataset["metagene_effect_score"].argmax("metagene").values
    names = [str(name) for name in dataset["metagene"].values]
    return {str(feature): names[place] for feature, place in zip(dataset["feature"].values, best, strict=True)}


def strongest_metagene(dataset):
    """The metagene with the highest score of all, for supported features where there are any."""
    scores = dataset["metagene_effect_score"]
    if dataset["supported"].any():
        scores = scores.sel(feature=dataset["supported"])
    return str(scores["metagene"].values[scores.max("feature").values.argmax()])


def write_dataset(path, dataset):
    """Writes an `xarray.Dataset` as netCDF, atomically."""
    with outputs.new_file(path) as aside:
        dataset.to_netcdf(aside, engine="h5netcdf")


def write_map(directory, dataset, fdr):
    """Writes `map.nc`, `genes.csv`, `metagenes.csv` and `hits.csv` into a folder, each atomically.

    A map with regions has `regions.csv` as well.
    """
    write_dataset(directory / "map.nc", dataset)
    genes = long_table(dataset, ("gene", "feature"))
    _write_csv(directory / "genes.csv", genes)
    _write_csv(directory / "metagenes.csv", long_table(dataset, ("metagene", "feature")))
    _write_csv(directory / "hits.csv", find_hits(genes, fdr))
    (directory / "regions.csv").unlink(missing_ok=True)
    if "region" in dataset.dims:
        _write_csv(directory / "regions.csv", region_table(dataset))


def read_map(directory):
    """Reads `map.nc` of a folder into memory; InputError where it is missing or damaged."""
    path = pathlib.Path(directory) / "map.nc"
    if not path.is_file():
        raise InputError(f"{path}: no such file; write it with launch/map.py or launch/baseline.py.")
    return _read_dataset(path, "map")


def read_dose_response(directory):
    """Reads `dose_response.nc` of a folder; None where a map was written without it, InputError where it is damaged."""
    path = pathlib.Path(directory) / "dose_response.nc"
    return _read_dataset(path, "table of dose-responses") if path.is_file() else None


def read_gallery(directory):
    """Reads `gallery.nc` of a folder; None where a map was written without it, InputError where it is damaged."""
    path = pathlib.Path(directory) / "gallery.nc"
    return _read_dataset(path, "gallery of nodules") if path.is_file() else None


def _read_dataset(path, noun):
    try:
        with xarray.open_dataset(path, engine="h5netcdf") as dataset:
            return dataset.load()
    except UNREADABLE as error:
        raise InputError(
            f"{path}: not a readable {noun} ({(str(error).splitlines() or [type(error).__name__])[0]})."
        ) from error


def long_table(dataset, dims):
    """A DataFrame with one row per pair of the two dimensions; what the first alone has, units and gate beside."""
    names = [name for name, values in dataset.data_vars.items() if values.dims in (dims, dims[:1])]
    per_feature = [name for name in ("gate_r", "gate_p", "supported") if name in dataset]
    frame = dataset[[*names, *per_feature]].to_dataframe(dim_order=list(dims)).reset_index()
    return frame.drop(columns="ibsi")


def region_table(dataset):
    """A DataFrame with one row per gene or metagene (`kind`) and region: association in HU, se, score, p, q, p_max."""
    frames = []
    for kind, prefix in (("gene", "region_"), ("metagene", "metagene_region_")):
        names = {f"{prefix}{name}": name for name in ("association", "se", "score", "p", "q", "p_max")}
        part = dataset[[*names, "region_gate_r", "region_supported"]].drop_vars("region_definition")
        frame = part.to_dataframe(dim_order=[kind, "region"]).reset_index().rename(columns=names | {kind: "item"})
        frame.insert(0, "kind", kind)
        frames.append(frame.rename(columns={"region_gate_r": "gate_r", "region_supported": "supported"}))
    return pd.concat(frames, ignore_index=True)


def find_hits(genes, fdr):
    """Rows with q below `fdr`, strongest evidence first; those of unsupported features stay, stamped by `supported`."""
    return genes[genes["q"] < fdr].sort_values("score", ascending=False)


def _write_csv(path, frame):
    rounded = frame.copy()
    for column in rounded.select_dtypes(np.floating):
        rounded[column] = rounded[column].map(lambda value: f"{value:.5g}" if np.isfinite(value) else "")
    with outputs.new_file(path) as aside:
        rounded.to_csv(aside, index=False)


