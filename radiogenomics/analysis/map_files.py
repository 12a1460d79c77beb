"""Maps on disk: map.nc (xarray) and its tables for people (CSV)."""

import numpy as np
import xarray

from radiogenomics import outputs
from radiogenomics.analysis import evaluation
from radiogenomics.analysis.mapping import radiogenomic_map
from radiogenomics.errors import InputError


def map_run(run):
    """Computes the map of a run and writes it into its folder; evaluates the run first where that was not done."""
    path = run.workdir / "evaluation.json"
    evaluated = outputs.read_json(path) if path.exists() else evaluation.evaluate(run)
    dataset = radiogenomic_map(run, gate=evaluated["gate"])
    write_map(run.workdir, dataset, run.config.map.fdr)
    return dataset


def write_map(directory, dataset, fdr):
    """Writes `map.nc`, `genes.csv`, `metagenes.csv` and `hits.csv` into a folder, each atomically."""
    with outputs.new_file(directory / "map.nc") as aside:
        dataset.to_netcdf(aside, engine="h5netcdf")
    genes = long_table(dataset, ("gene", "feature"))
    _write_csv(directory / "genes.csv", genes)
    _write_csv(directory / "metagenes.csv", long_table(dataset, ("metagene", "feature")))
    _write_csv(directory / "hits.csv", find_hits(genes, fdr))


def read_map(directory):
    """Reads `map.nc` of a folder into memory; InputError where it is missing or damaged."""
    path = directory / "map.nc"
    if not path.is_file():
        raise InputError(f"{path}: no such file; write it with launch/map.py or launch/baseline.py.")
    try:
        with xarray.open_dataset(path, engine="h5netcdf") as dataset:
            return dataset.load()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable map ({str(error).splitlines()[0]}).") from error


def long_table(dataset, dims):
    """A DataFrame with one row per pair of the two dimensions; what the first alone has, units and gate beside."""
    names = [name for name, values in dataset.data_vars.items() if values.dims in (dims, dims[:1])]
    per_feature = [name for name in ("gate_r", "gate_p", "supported") if name in dataset]
    frame = dataset[[*names, *per_feature]].to_dataframe(dim_order=list(dims)).reset_index()
    return frame.drop(columns="ibsi")


def find_hits(genes, fdr):
    """Rows with q below `fdr`, strongest evidence first; those of unsupported features stay, stamped by `supported`."""
    return genes[genes["q"] < fdr].sort_values("score", ascending=False)


def _write_csv(path, frame):
    rounded = frame.copy()
    for column in rounded.select_dtypes(np.floating):
        rounded[column] = rounded[column].map(lambda value: f"{value:.5g}" if np.isfinite(value) else "")
    with outputs.new_file(path) as aside:
        rounded.to_csv(aside, index=False)


