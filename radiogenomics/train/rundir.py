"""A run's folder: which config, cohort and split it belongs to."""

import json
import pathlib

import jax

from radiogenomics import outputs, provenance
from radiogenomics.errors import InputError


def open_run(config, cohort, workdir):
    """Writes `config.json`, `environment.json` and `split.json`, or checks that those present agree.

    Raises:
      InputError: naming the first setting that differs from the run's, or a cohort that does not fit.
    """
    workdir = pathlib.Path(workdir)
    check_cohort(config, cohort)
    resolved = run_settings(config)
    if (workdir / "config.json").exists():
        check_same_config(workdir, resolved)
        check_same_cohort(workdir, cohort)
        return
    if jax.process_index() == 0:
        outputs.write_json(workdir / "split.json", {"folds": cohort.folds})
        outputs.write_json(
            workdir / "environment.json",
            provenance.environment()
            | {"cohort": str(cohort.directory.resolve()), "cohort_fingerprint": cohort.fingerprint},
        )
        # Last, because its presence says that the folder is a run.
        outputs.write_json(workdir / "config.json", resolved)


def run_settings(config):
    """The settings of a run as plain values; how the cohort was made is recorded with the cohort."""
    resolved = json.loads(config.to_json())
    return {section: values for section, values in resolved.items() if section not in ("phantom", "files")}


def check_cohort(config, cohort):
    """InputError unless the cohort's patches have the size that the config asks for."""
    expected = (config.data.size,) * config.data.ndim
    if cohort.patch_shape != expected:
        raise InputError(
            f"{cohort.directory}: patches are {_shape(cohort.patch_shape)}, but the config says {_shape(expected)} "
            "(data.size, data.ndim); use the config that the cohort was prepared with."
        )
    extent_mm = cohort.spacing_mm * config.data.size
    if abs(extent_mm - config.data.extent_mm) > 1e-3 * extent_mm:
        raise InputError(
            f"{cohort.directory}: patches are {extent_mm:g} mm wide, but data.extent_mm is {config.data.extent_mm:g}."
        )


def check_same_config(workdir, resolved):
    """InputError naming the first setting in which the run's `config.json` differs from `resolved`."""
    stored, given = _flat(outputs.read_json(workdir / "config.json")), _flat(resolved)
    for key in sorted(stored.keys() | given.keys()):
        if stored.get(key) != given.get(key):
            raise InputError(
                f"{workdir}: was trained with {key}={stored.get(key)}, not {given.get(key)}; "
                "choose another --workdir or the same settings."
            )


def check_same_cohort(workdir, cohort):
    """InputError unless the run was made from this very cohort."""
    stored = outputs.read_json(workdir / "environment.json")["cohort_fingerprint"]
    if stored != cohort.fingerprint:
        raise InputError(
            f"{workdir}: belongs to a cohort with fingerprint {stored[:12]}, but {cohort.directory} has "
            f"{cohort.fingerprint[:12]}; choose another --workdir or the cohort it was trained on."
        )


def _flat(tree, prefix=""):
    if not isinstance(tree, dict):
        return {prefix[:-1]: tree}
    return {key: value for name, item in tree.items() for key, value in _flat(item, f"{prefix}{name}.").items()}


def _shape(shape):
    return " x ".join(map(str, shape))
