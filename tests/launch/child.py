"""What a forked process does to be a launcher: its arguments, its streams, its exit status."""

import os
import pathlib
import runpy
import sys

import jax


def run_launcher(path, arguments, stdout, stderr, environment, jax_settings):
    """Runs a launch script as `python PATH ARGUMENTS` would, its streams written to files."""
    os.environ.update(environment)
    for name, value in jax_settings.items():  # JAX is imported already and reads no variables any more.
        jax.config.update(name, value)
    for descriptor, file in ((1, stdout), (2, stderr)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
    sys.argv = [path, *arguments]
    sys.path.insert(0, str(pathlib.Path(path).parent))
    runpy.run_path(path, run_name="__main__")
