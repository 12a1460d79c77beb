"""The Jacobian engine against plain autodiff: seconds, memory and parity, for the default and the published generator.

Image Jacobians of a few patients, each the mean over a few draws of background and noise, one patient after the other,
so that a cohort of any size needs the same memory. Weights are random: speed does not depend on them. Rivals would take
hours, and so are timed on some columns or rows of one patient and multiplied up, as the notes say.
"""

import contextlib
import os
import pathlib
import threading
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from radiogenomics.analysis import jacobian
from radiogenomics.benchmark import training_runs
from radiogenomics.benchmark.generator import MOST_SCALES
from radiogenomics.benchmark.generator import PUBLISHED as PUBLISHED_METHOD
from radiogenomics.benchmark.timing import time_calls
from radiogenomics.models.generator import make_generator

GENES = 5172
PATIENTS, DRAWS = 8, 2
RIVAL_PASSES = 32  # columns of the forward-mode rival and rows of the reverse-mode one, at once
REPEATS = 3
MEMORY_MB = 1024.0  # bound given to the engine
SAMPLE_SECONDS = 0.02
# At its full width, on smaller patches.
PUBLISHED = PUBLISHED_METHOD | {"data.ndim": 2, "data.size": 64, "model.scales": MOST_SCALES}


class Case(NamedTuple):
    """A generator with random weights."""

    encode: object  # (params, component [K]) -> code [C]
    decode: object  # (params, code) -> image [*S], mean over the draws
    params: dict
    loadings: np.ndarray | None  # [GENES, K] from genes to components; None where the components are the genes
    genes: np.ndarray  # [PATIENTS, GENES]

    def components(self, genes):
        """The encoder's input of genes [..., GENES]."""
        return genes if self.loadings is None else genes @ self.loadings


def time_jacobians(config):
    """Rows of the speed table: the generator of `config`, and the published one at its full width on 64 x 64."""
    published = training_runs.vary(config, PUBLISHED)
    return time_case("default", make_case(config)) + time_case("published 64 x 64", make_case(published))


def make_case(config):
    """The `Case` of a configuration."""
    generator, shape = make_generator(config), (*(config.data.size,) * config.data.ndim, 1)
    random = np.random.default_rng(0)
    background = random.uniform(-0.9, -0.7, (DRAWS, *shape)).astype(np.float32)
    noise = random.standard_normal((DRAWS, config.model.noise_size), dtype=np.float32)
    loadings = None
    if config.genes.front_end != "none":
        loadings = random.standard_normal((GENES, config.genes.components), dtype=np.float32) / np.sqrt(GENES)
    genes = random.standard_normal((PATIENTS, GENES), dtype=np.float32)
    count = GENES if loadings is None else config.genes.components
    initialise = jax.jit(generator.init, compiler_options={"xla_backend_optimization_level": 0})  # 20 s sooner
    params = initialise(jax.random.key(0), background[:1], jnp.zeros((1, count)), noise[:1])

    def encode(params, component):
        return generator.apply(params, component[None], method="encode")[0]

    def decode(params, code):
        codes = jnp.broadcast_to(code, (DRAWS, len(code)))
        return generator.apply(params, background, codes, noise, method="decode").image[..., 0].mean(axis=0)

    return Case(encode, decode, params, loadings, genes)


def time_case(name, case):
    """Rows of the speed table for one generator."""
    with peak_memory() as peak:
        seconds, columns, passes = _time_engine(case)
    forward, exact = _time_forward(case)
    reverse = _time_reverse(case)
    error = np.linalg.norm(columns - exact) / np.linalg.norm(exact)
    ours = f"{PATIENTS} patients x {DRAWS} draws, {passes} passes at once; peak {peak[0]:.0f} MB of the process, " \
           f"{peak[0] - peak[1]:.0f} more than before; relative error {error:.1e}"
    rivals = f"{RIVAL_PASSES} {{}} of one patient, extrapolated; {{:.0f}}x ours"
    return [
        {"what": f"Jacobian, {name}: factored (s a patient)", "value": seconds, "note": ours},
        {"what": f"Jacobian, {name}: batched jacfwd (s a patient)", "value": forward,
         "note": rivals.format(f"of {GENES} columns", forward / seconds)},
        {"what": f"Jacobian, {name}: jacrev (s a patient)", "value": reverse,
         "note": rivals.format(f"of {exact[0].size} rows", reverse / seconds)},
    ]


def _time_engine(case):
    """(median seconds a patient, the first patient's first columns [RIVAL_PASSES, *S], passes at once)."""
    decode, encode = (lambda code: case.decode(case.params, code)), (lambda u: case.encode(case.params, u))
    start = case.components(case.genes)
    chunk = jacobian.plan_passes(decode, encode, start[0], MEMORY_MB)

    @jax.jit
    def factors(params, component):
        halves = (lambda code: case.decode(params, code)), (lambda u: case.encode(params, u))
        return jacobian.code_factors(*halves, component, chunk)

    def of_patient(component):
        by_cut, by_component = (np.asarray(factor) for factor in factors(case.params, component))
        by_gene = by_component if case.loadings is None else by_component @ case.loadings.T
        return jacobian.FactoredJacobian(by_cut, by_gene)

    first = of_patient(start[0])  # compiles
    seconds = [time_calls(of_patient, component, repeats=1)[0] for component in start]
    directions = np.eye(GENES, RIVAL_PASSES, dtype=np.float32)
    return float(np.median(seconds)), np.moveaxis(first.along(directions), -1, 0), chunk


def _image(case, params, genes):
    return case.decode(params, case.encode(params, case.components(genes)))


def _time_forward(case):
    """(seconds of a whole Jacobian, its first columns [RIVAL_PASSES, *S]) by forward mode, gene by gene."""

    @jax.jit
    def columns(params, genes):
        directions = jnp.eye(RIVAL_PASSES, GENES)
        return jax.vmap(lambda v: jax.jvp(lambda g: _image(case, params, g), (genes,), (v,))[1])(directions)

    exact = np.asarray(columns(case.params, case.genes[0]))
    return _seconds(columns, case.params, case.genes[0]) * GENES / RIVAL_PASSES, exact


def _time_reverse(case):
    """Seconds of a whole Jacobian by reverse mode, pixel by pixel."""

    @jax.jit
    def rows(params, genes):
        value, pull = jax.vjp(lambda g: _image(case, params, g), genes)
        return jax.vmap(lambda row: pull(row)[0])(jnp.eye(RIVAL_PASSES, value.size).reshape(-1, *value.shape))

    pixels = jax.eval_shape(lambda g: _image(case, case.params, g), case.genes[0]).size
    jax.block_until_ready(rows(case.params, case.genes[0]))
    return _seconds(rows, case.params, case.genes[0]) * pixels / RIVAL_PASSES


def _seconds(function, *arguments):
    """Median seconds of a compiled function."""
    return float(np.median(time_calls(lambda: jax.block_until_ready(function(*arguments)), repeats=REPEATS)))


@contextlib.contextmanager
def peak_memory():
    """Yields a list that holds the largest resident memory of the process in the block, and that before, in MB.

    Sampled; NaN where the system has no /proc.
    """
    found, done = [resident_mb()] * 2, threading.Event()

    def watch():
        while not done.wait(SAMPLE_SECONDS):
            found[0] = max(found[0], resident_mb())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield found
    finally:
        done.set()
        watcher.join()


def resident_mb():
    """Resident memory of this process in MB."""
    path = pathlib.Path("/proc/self/statm")
    if not path.exists():
        return float("nan")
    return int(path.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
