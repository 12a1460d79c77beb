"""Speed and memory of reading real files, against SimpleITK's series reader on the same files.

Every patient has a process of its own. Memory is the peak during a measurement less what the process (Python and its
libraries, a few hundred MiB) held before; only Linux tells it, elsewhere it is NaN.
"""

import concurrent.futures
import multiprocessing
import pathlib
import time

import numpy as np
import pandas as pd
import SimpleITK

from radiogenomics import outputs, provenance
from radiogenomics.data import dicom, files, images
from radiogenomics.errors import InputError

PATIENTS = 10  # measured at most, evenly through the list
STATUS, CLEAR = pathlib.Path("/proc/self/status"), pathlib.Path("/proc/self/clear_refs")
REPEATS = 3  # the fastest counts; the first fills the system's file cache for all


def run_suite(source, out, config):
    """Measures seconds and peak memory per patient; writes `preparation.csv` and `preparation.json`.

    Columns: slices, rows and columns of the CT series; seconds and MiB for our reader (`read_ct`), SimpleITK's
    ImageSeriesReader on the same files in order of position, and the whole patient (`images.read_patient`, CT and mask
    to patches); `ratio` is ours to SimpleITK's seconds. NaN where the files are refused.

    Args:
      source: folder of downloaded DICOM files with the expression table.
      out: folder for the tables.
      config: the configuration; reads `seed`, `data` and `files`.

    Returns:
      DataFrame indexed by patient; the last row, 'all', holds the medians, of memory the maxima.

    Raises:
      InputError: where no patient has a CT series.
    """
    if config.data.source != "files":
        raise InputError(f"data.source: '{config.data.source}'; expected 'files', such as configs/nsclc.py.")
    tasks = _choose_tasks(files.make_plan(config, source).tasks)
    if not tasks:
        raise InputError(f"{source}: no patient with a CT series; expected at least one.")
    table = pd.DataFrame([measure_patient(task) for task in tasks]).set_index("patient")
    medians = table.median()
    memory = [name for name in table if name.endswith("_mib")]
    medians[memory] = table[memory].max()
    table.loc["all"] = medians
    out = pathlib.Path(out)
    with outputs.new_file(out / "preparation.csv") as aside:
        table.to_csv(aside, float_format="%.4g")
    rows = table.reset_index().to_dict(orient="records")
    # Times of reading, no result on patients: their files stand for no cohort.
    outputs.write_json(out / "preparation.json", {"rows": rows} | provenance.describe(config, None))
    return table


def _choose_tasks(tasks):
    with_ct = [task for task in tasks if len(largest_series(task)) >= 3]
    count = min(PATIENTS, len(with_ct))
    return [with_ct[index] for index in np.linspace(0, len(with_ct) - 1, count).round().astype(int)]


def largest_series(task):
    """Headers of the CT series with the most slices, in order of position along the patient."""
    series = {}
    for header in task.headers:
        if header.modality == "CT" and header.position_mm is not None:
            series.setdefault(header.series, []).append(header)
    return sorted(max(series.values(), key=len, default=[]), key=lambda header: header.position_mm[2])


def measure_patient(task):
    """Row of the table for one images.Task, measured in a fresh process."""
    headers = largest_series(task)
    row = {"patient": task.patient, "slices": len(headers), "rows": headers[0].matrix[0]}
    row["columns"] = headers[0].matrix[1]
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as pool:
        for name, function, argument in (
            ("ours", _read_ours, (headers, task.config)),
            ("simpleitk", _read_simpleitk, [str(header.path) for header in headers]),
            ("patient", images.read_patient, task),
        ):
            row[f"{name}_s"], row[f"{name}_mib"] = pool.submit(_measure, function, argument).result()
    return row | {"ratio": row["ours_s"] / row["simpleitk_s"]}


def _measure(function, argument):
    """(fastest seconds, MiB), NaN where the function refuses the files."""
    seconds = []
    before_mib = _memory_mib("VmRSS")
    _forget_peak()
    for _ in range(REPEATS):
        began = time.perf_counter()
        try:
            function(argument)
        except (InputError, RuntimeError):  # RuntimeError: SimpleITK on damaged files
            return float("nan"), float("nan")
        seconds.append(time.perf_counter() - began)
    return min(seconds), _memory_mib("VmHWM") - before_mib


def _forget_peak():
    if CLEAR.exists():
        CLEAR.write_text("5")


def _memory_mib(field):
    if not STATUS.exists():
        return float("nan")
    lines = dict(line.split(":", 1) for line in STATUS.read_text().splitlines())
    return int(lines[field].split()[0]) / 2**10


def _read_ours(argument):
    headers, config = argument
    dicom.read_ct(headers, frozenset(), config)


def _read_simpleitk(paths):
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(paths)
    SimpleITK.GetArrayFromImage(reader.Execute())
