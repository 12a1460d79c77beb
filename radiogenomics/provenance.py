"""Where a result comes from: configuration, cohort, versions, devices, code revision."""

import hashlib
import importlib.metadata
import json
import pathlib
import platform
import subprocess

import jax

PACKAGES = (
    "radiogenomics", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy", "scipy",
    "scikit-learn", "scikit-image", "tensorflow-datasets", "xarray", "pydicom", "highdicom",
)


def describe(config, cohort_fingerprint):
    """What every result carries: {"config", "cohort_fingerprint", "environment"}, plain values.

    Args:
      config: the configuration, or a dict of what a command was asked for where it has none.
      cohort_fingerprint: `Cohort.fingerprint`, `digest_files` of tables, or None for a result without patients.
    """
    settings = json.loads(config.to_json()) if hasattr(config, "to_json") else config
    return {"config": settings, "cohort_fingerprint": cohort_fingerprint, "environment": environment()}


def attributes(config, cohort_fingerprint):
    """`describe` as text, for the attributes of a netCDF file: config and environment as JSON."""
    described = describe(config, cohort_fingerprint)
    return {
        name: value if isinstance(value, str) else json.dumps(value, default=list) for name, value in described.items()
    }


def digest_files(paths):
    """SHA-256 over the contents of files, in the given order: stands for the fingerprint where tables are no cohort."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(pathlib.Path(path).read_bytes())
    return digest.hexdigest()


def environment():
    """A dict of package versions, Python, platform, devices and the git revision of the code."""
    return {
        "packages": {name: _version(name) for name in PACKAGES},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "devices": [device.device_kind for device in jax.devices()],
        "git_revision": _git_revision(),
    }


def _version(name):
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _git_revision():
    """The commit of the source tree, or 'unknown' for an installed package without one."""
    folder = pathlib.Path(__file__).parent
    try:
        answer = subprocess.run(
            ["git", "-C", folder, "describe", "--always", "--dirty", "--abbrev=12"], capture_output=True, text=True
        )
    except FileNotFoundError:
        return "unknown"
    return answer.stdout.strip() or "unknown"
