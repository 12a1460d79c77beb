"""A run's folder: which config, cohort and split it belongs to."""

import difflib
import json
import logging
import pathlib

from radiogenomics import outputs, provenance, settings
from radiogenomics.errors import InputError
from radiogenomics.train import hosts

AT_LEAST_ONE = (
    "data.size", "model.width", "model.scales", "model.code_size", "model.encoder_hidden", "model.discriminator_width",
    "train.steps", "train.batch_size", "train.checkpoint_every", "train.keep_checkpoints", "train.sample_every",
    "train.log_every", "train.accumulate",
)

# How the devices are used and what is kept, not what is computed: a run may go on with others. So it may with another
# precision of the convolutions, because parameters, optimisers and losses are float32 in both, and checkpoints are the
# same; what is computed differs by rounding, and `environment.json` says from when on.
MAY_DIFFER = (
    "train.replicas", "train.steps_per_call", "train.accumulate", "train.checkpoint_minutes", "train.keep_checkpoints",
    "model.remat", "model.dtype",
)


def check_run(config, cohort, workdir):
    """Checks that config, cohort and what `workdir` already holds belong together; writes nothing.

    Raises:
      InputError: naming the first setting that is out of range or differs from the run's, or a cohort that does not
        fit.
    """
    check_settings(config)
    check_cohort(config, cohort)
    if (workdir / "config.json").exists():
        check_same_config(workdir, run_settings(config))
        check_same_cohort(workdir, cohort)


def check_settings(config):
    """InputError naming the first setting that nobody knows or that is missing, or that is not positive."""
    flat, known = _flat(run_settings(config)), _flat(run_settings(settings.default_config()))
    for key in sorted(flat.keys() - known.keys()):
        near = ", ".join(difflib.get_close_matches(key, known)) or "none"
        raise InputError(f"{key}: no such setting; nearest: {near}.")
    for key in sorted(known.keys() - flat.keys()):
        raise InputError(f"{key}: missing from the configuration; start from radiogenomics.settings.default_config().")
    for key in AT_LEAST_ONE:
        if flat[key] < 1:
            raise InputError(f"{key}: {flat[key]}; expected at least 1.")
    if flat["train.checkpoint_minutes"] < 0:
        raise InputError(f"train.checkpoint_minutes: {flat['train.checkpoint_minutes']}; expected 0 or more.")


def open_run(config, cohort, workdir):
    """Writes `config.json`, `environment.json` and `split.json` of a run that `check_run` let pass, once."""
    workdir = pathlib.Path(workdir)
    if hosts.is_first() and not (workdir / "config.json").exists():
        outputs.write_json(workdir / "split.json", {"folds": cohort.folds})
        outputs.write_json(
            workdir / "environment.json",
            provenance.environment()
            | {"cohort": str(cohort.directory.resolve()), "cohort_fingerprint": cohort.fingerprint},
        )
        # Last, because its presence says that the folder is a run.
        outputs.write_json(workdir / "config.json", run_settings(config))


def record_continuation(config, workdir):
    """Adds to the "continued" list of `environment.json` what a run goes on with, where anything is new.

    An entry is `provenance.environment()` and "settings", those of `MAY_DIFFER` that are not as in `config.json`.
    """
    if not hosts.is_first():
        return
    environment = outputs.read_json(workdir / "environment.json")
    stored, given = _flat(outputs.read_json(workdir / "config.json")), _flat(run_settings(config))
    now = provenance.environment() | {"settings": {key: given[key] for key in MAY_DIFFER if stored[key] != given[key]}}
    before = environment.get("continued", [])
    last = before[-1] if before else {key: environment[key] for key in now if key != "settings"} | {"settings": {}}
    if now != last:
        outputs.write_json(workdir / "environment.json", environment | {"continued": [*before, now]})
        logging.info("%s: goes on with another environment or other settings, see environment.json", workdir)


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
    stored = outputs.read_json(workdir / "config.json")
    key = first_difference(stored, resolved)
    if key:
        raise InputError(
            f"{workdir}: was trained with {key}={_flat(stored).get(key)}, not {_flat(resolved).get(key)}; "
            "choose another --workdir or the same settings."
        )


def first_difference(one, other, ignored=()):
    """The first setting, such as "train.steps", in which two resolved configs differ; None where none does.

    Settings of `MAY_DIFFER` and those in `ignored` do not count.
    """
    one, other = _flat(one), _flat(other)
    keys = sorted((one.keys() | other.keys()).difference(MAY_DIFFER, ignored))
    return next((key for key in keys if one.get(key) != other.get(key)), None)


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
