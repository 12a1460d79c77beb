"""What a forked process does to be a launcher: its arguments, its streams, its exit status."""

import os
import pathlib
import runpy
import sys

import jax

from radiogenomics.train import steps


def run_launcher(path, arguments, stdout, stderr, environment, jax_settings):
    """Runs a launch script as `python PATH ARGUMENTS` would, its streams written to files."""
    os.environ.update(environment)
    for name, value in jax_settings.items():  # JAX is imported already and reads no variables any more.
        jax.config.update(name, value)
    for descriptor, file in ((1, stdout), (2, stderr)):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
    if environment.get("WATCH_STEPS"):
        watch_steps()
    sys.argv = [path, *arguments]
    sys.path.insert(0, str(pathlib.Path(path).parent))
    runpy.run_path(path, run_name="__main__")


class Watched:
    """The compiled training step; tells how many buffers of the states that it was given are still there."""

    def __init__(self, compiled):
        self.compiled, self.lower = compiled, compiled.lower

    def __call__(self, states, *rest):
        result = self.compiled(states, *rest)
        kept = sum(not leaf.is_deleted() for leaf in jax.tree.leaves(states))
        print(f"kept {kept} of the donated buffers", file=sys.stderr)
        return result


def watch_steps():
    """Has every compiled training step of this process watched."""
    compile_steps = steps.compile_steps
    steps.compile_steps = lambda *given: Watched(compile_steps(*given))
