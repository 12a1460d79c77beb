"""Launchers in forked processes, which share one import of everything instead of five seconds of imports each."""

import multiprocessing
import typing

import child
import pytest

PRELOADED = (
    "radiogenomics.analysis.baseline_files", "radiogenomics.analysis.map_files", "radiogenomics.analysis.run",
    "radiogenomics.data.prepare", "radiogenomics.train.loop",
)


class Outcome(typing.NamedTuple):
    """How a launcher ended."""

    code: int
    stdout: str
    stderr: str


class Started(typing.NamedTuple):
    """A launcher that runs."""

    process: multiprocessing.Process
    streams: list  # paths of its standard output and error

    def wait(self):
        """Its `Outcome`."""
        self.process.join(900)
        if self.process.exitcode is None:
            self.process.kill()
            pytest.fail("a launcher does not end")
        told = (stream.read_text() if stream.exists() else "" for stream in self.streams)
        return Outcome(self.process.exitcode, *told)


@pytest.fixture(scope="session")
def start(root, tmp_path_factory):
    """`start(name, *arguments, environment={}, jax_settings={})` starts launch/NAME.py; returns it as `Started`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))

    def run(name, *arguments, environment=None, jax_settings=None):
        streams = [tmp_path_factory.mktemp("streams") / stream for stream in ("stdout", "stderr")]
        path = str(root / "launch" / f"{name}.py")
        process = context.Process(
            target=child.run_launcher,
            args=(path, list(map(str, arguments)), *streams, environment or {}, jax_settings or {}),
        )
        process.start()
        return Started(process, streams)

    return run


@pytest.fixture(scope="session")
def launch(start):
    """`launch(name, ...)` runs launch/NAME.py to its end, arguments as `start`; returns its `Outcome`."""
    return lambda *arguments, **options: start(*arguments, **options).wait()


@pytest.fixture(scope="session")
def config_file(make_config, tmp_path_factory):
    """A configuration file with the settings of the tiny cohort and run."""
    path = tmp_path_factory.mktemp("configs") / "tiny.py"
    path.write_text(
        "import ml_collections\n\n\ndef get_config():\n"
        f"    return ml_collections.ConfigDict({make_config().to_dict()!r})\n"
    )
    return path
