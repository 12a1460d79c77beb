"""From a source (phantom or files) to a cohort folder."""

import concurrent.futures
import contextlib
import fcntl
import hashlib
import importlib
import json
import logging
import multiprocessing
import os
import pathlib
import shutil
import socket
import threading

import pandas as pd
import tqdm

from radiogenomics import outputs
from radiogenomics.data import cohort, cohort_beam, files, images, parts, split
from radiogenomics.errors import InputError


def prepare(config, out, source=None, workers=1, engine="local", beam_flags=()):
    """Writes the cohort folder `out`; one already made with the same settings is left as it is.

    Files: finished patients are kept in the folder `.NAME-partial` beside `out` until the cohort has landed; a run that
    was stopped goes on from there, and a patient whose files or settings have changed is read again.

    Args:
      config: configuration; `data.source` is "phantom" or "files".
      out: path of the folder to make.
      source: folder of downloaded files, for `data.source` "files".
      workers: processes that read patients.
      engine: "local" or "beam" (Apache Beam).
      beam_flags: Beam's own command-line flags; without any it runs on this machine.

    Raises:
      InputError: for a source that does not fit, no usable patient, fewer patients than the folds need, a folder made
        with other settings, or one that another process is making.
    """
    out, source = pathlib.Path(out), pathlib.Path(source).resolve() if source else None
    wanted = _describe_settings(config, source)
    partial = out.resolve().with_name(f".{out.resolve().name}-partial")
    if (out / "config.json").exists():
        if outputs.read_json(out / "config.json") != json.loads(json.dumps(wanted)):
            raise InputError(f"{out}: holds a cohort made with other settings; choose another --out.")
        logging.info("%s: already made with these settings", out)
        # Left by a run that was killed once the cohort had landed; that run may also be removing it right now.
        shutil.rmtree(partial, ignore_errors=True)
        return
    _check(config, out, source, workers, engine, beam_flags)
    if config.data.source == "phantom":
        collected = _simulate(config)
        cohort.write_cohort(out, collected, _folds(collected.patients, config), wanted)
    else:
        options = cohort_beam.make_options(beam_flags, workers) if engine == "beam" else None
        with _lock(partial, out):
            _check_free(out)  # Again: another run may have finished since.
            collected = _prepare_files(config, out, partial, source, wanted, workers, options)
    kept = sum(row["kept"] for row in collected.qc)
    logging.info("%s: %d of %d patients kept; see qc.html", out, kept, len(collected.qc))


def _describe_settings(config, source):
    """What `config.json` holds, without a path outside of the source: paths name people, and a cohort is shared."""
    told = json.loads(config.to_json())
    origin = hashlib.sha256(str(source).encode()).hexdigest() if source else None
    for section, field, base in (("genes", "gene_sets", pathlib.Path()), ("files", "manifest", source)):
        written = told.get(section, {}).get(field)
        path = pathlib.Path(written or "")
        if path.is_absolute() or ".." in path.parts:
            path = path if base is None else base / path
            content = path.read_bytes() if path.is_file() else written.encode()
            told[section][field] = f"{path.name} sha256:{hashlib.sha256(content).hexdigest()}"
    return {"config": told, "source_sha256": origin}


@contextlib.contextmanager
def _lock(partial, out):
    """Holds the folder of finished patients for this process; InputError where another one does.

    The lock is the kernel's, on a file in the folder, because it ends with the process however that ends.
    """
    partial.mkdir(parents=True, exist_ok=True)
    path = partial / "lock"
    busy = f"{out}: being made by another process (%s); wait until it ends, or choose another --out."
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(open(path, "a+", encoding="utf-8"))
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, FileNotFoundError) as error:
            holder = path.read_text(encoding="utf-8") if path.exists() else ""
            raise InputError(busy % (holder or "unknown")) from error
        if not os.fstat(file.fileno()).st_nlink:  # Its holder removed it between our two steps.
            raise InputError(busy % "about to end")
        file.truncate(0)
        print(f"process {os.getpid()} on {socket.gethostname()}", end="", file=file, flush=True)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # It holds finished patients, or is gone already.
                partial.rmdir()


def _check(config, out, source, workers, engine, beam_flags):
    """Before hours of work: InputError for what could not end well."""
    if config.data.source not in ("phantom", "files"):
        raise InputError(f"data.source: '{config.data.source}'; expected 'phantom' or 'files'.")
    if config.data.source == "files" and source is None:
        raise InputError("--source: not given; data.source 'files' needs the folder of downloaded files.")
    if engine not in ("local", "beam"):
        raise InputError(f"--engine: '{engine}'; expected 'local' or 'beam'.")
    if engine == "local" and beam_flags:
        raise InputError(f"--beam: {beam_flags[0]}; expected only with --engine=beam.")
    if workers < 1:
        raise InputError(f"--workers: {workers}; expected at least 1.")
    if config.data.source == "phantom" and (engine, workers) != ("local", 1):
        raise InputError("--workers, --engine: given for a phantom; it is simulated in one process.")
    _check_free(out)


def _check_free(out):
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: already exists and is not an empty folder; choose a new folder.")


def _check_folds(tasks, config):
    """InputError where there cannot be enough patients for the folds, whatever their images hold."""
    possible = [task.patient for task in tasks if not images.find_lacking(task)]
    # Nobody at all is told after reading, with everybody's reason.
    if possible or config.data.folds < 2:
        split.make_folds(pd.DataFrame(index=possible), (), config.data.folds, config.seed)


def _simulate(config):
    # The phantom imports JAX, which the processes that read files, and so this module, need not.
    phantom = importlib.import_module("radiogenomics.data.phantom")
    return phantom.simulate(config, progress=_progress)


def _prepare_files(config, out, partial, source, wanted, workers, options):
    plan = files.make_plan(config, source)
    _check_folds(plan.tasks, config)
    jobs = parts.plan_jobs(plan.tasks, partial, source)
    results = {job.path: parts.load_part(job.path) for job in jobs}
    todo = [job for job in jobs if results[job.path] is None]
    if len(todo) < len(jobs):
        logging.info("%d of %d patients are finished already; going on", len(jobs) - len(todo), len(jobs))
    if options is None:
        _finish_locally(todo, workers)
    else:
        cohort_beam.finish_jobs(todo, options)
    results |= {job.path: parts.load_part(job.path) for job in todo}
    collected = files.assemble(plan, [results[job.path] for job in jobs], config)
    for row in collected.qc:
        if not row["kept"]:  # told here too: the quality report is not written where too few are left for the folds
            logging.warning("%s left out: %s", row["patient"], row["reason"])
    paths = {job.task.patient: job.path for job in jobs}
    pipeline = None if options is None else cohort_beam.Pipeline(options, paths)
    # Written inside the partial folder, so that a run killed while writing leaves its litter there.
    aside = partial / out.resolve().name
    shutil.rmtree(aside, ignore_errors=True)
    cohort.write_cohort(aside, collected, _folds(collected.patients, config), wanted, pipeline)
    os.replace(aside, out)
    shutil.rmtree(partial, ignore_errors=True)  # The cohort has landed; a later run removes what could not be.
    return collected


def _finish_locally(jobs, workers):
    if workers == 1 or not jobs:
        for job in _progress(jobs):
            parts.finish_job(job)
        return
    # Spawned, because forking a process that has threads of numerical libraries may hang.
    context = multiprocessing.get_context("spawn")
    count = min(workers, len(jobs))
    pool = concurrent.futures.ProcessPoolExecutor(count, mp_context=context, initializer=_end_with_parent)
    try:
        futures = [pool.submit(parts.finish_job, job) for job in jobs]
        for future in _progress(concurrent.futures.as_completed(futures), total=len(futures)):
            future.result()
    except concurrent.futures.process.BrokenProcessPool as error:
        raise InputError(
            f"--workers: {workers}; one of the processes was ended from outside, most often for lack of memory; start "
            "again with fewer, finished patients are kept."
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _end_with_parent():
    """In a worker: ends it when the parent is gone, killed ones included, instead of waiting for work for ever."""

    def watch():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _folds(patients, config):
    """Stratified folds; none of nobody, which `write_cohort` refuses with the reasons."""
    if not patients:
        return []
    covariates = pd.DataFrame(
        [patient.covariates for patient in patients], index=[patient.patient for patient in patients]
    )
    return split.make_folds(covariates, config.data.stratify, config.data.folds, config.seed)


def _progress(patients, total=None):
    return tqdm.tqdm(patients, desc="patients", unit="patient", total=total, disable=None)
