"""Where a result comes from: versions, devices, code revision."""

import importlib.metadata
import pathlib
import platform
import subprocess

import jax

PACKAGES = (
    "radiogenomics", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "grain", "numpy", "scipy",
    "scikit-learn", "scikit-image", "tensorflow-datasets", "xarray", "pydicom", "highdicom",
)


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
