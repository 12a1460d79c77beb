"""Speed of training and of synthesis: ours and, in the same run, the same networks written plainly in PyTorch.

Patches and genes are made up: what is computed does not depend on them.

Notes: what was expected, and what was measured on two cores. A large matrix product runs at 60 to 80 GFLOP/s a core
there, and the published step at batch 2 has 128 GFLOP, so that 1.0 s is the least it could take; it took 2.1.

Convolutions were expected to be near that limit. XLA's default (YNNPACK) is so forward and for the gradient by the
image; by the kernel it is twofold to fivefold slower, as are small deep images and strides. Convolved as in
models/cpu_convolution.py, by XLA's older Eigen convolutions, all of a step alone took 1.49 instead of 2.09 s (PyTorch:
1.49), the step 1.72 instead of 2.03. Strides in phases were expected to halve the discriminator's, and took 0.5 to 0.75
of the time; doubled images in phases, expected to take four ninths, took 0.5 to 0.65.

The discriminator's four tuples judged at once, two of which share an image, were expected to save a twentieth: 3.13
instead of 3.26 s of processor time. As four separate batches mapped together, they saved nothing.

The generator's forward pass ran twice, once for each player, which the compiler was expected to notice and did not (15
of 124 convolutions): once, a step of the default takes 120 to 130 instead of 139 to 148 ms.

The donated state was copied once a step, 0.8 GB of the published networks: 0.87 of the time was expected without
copies, as without donation, and a step written in place (train/update.py) takes 0.95 of the published networks' time
and 0.95 to 0.99 of the default's. Optimisation barriers and the compiler's region analysis had left the copies as they
were.

Machines differ: on one with AVX-512, where a large product runs at 97 GFLOP/s a core, the published step then took 918
ms and eager PyTorch 1,021; on another 1,400 and 1,750, before the state was written in place. Of 1.66 s on one core of
the former 1.24 were convolutions and products, at 85 to 110 GFLOP/s, 0.15 transposes of kernels, 0.12 Adam and the
average: there was nothing left to gain but fewer products.

Tiles (models/winograd.py) were expected to spare a tenth of the step, and with kernels of 2, which strides and doubled
images came to, a fifteenth more: 0.93 and 0.85 of its time, 799 instead of 944 ms, beside 1,050 of eager PyTorch (12
rounds in turn).

Doubled images with nine products a voxel instead of 16 in four phases were expected to save a twentieth more, as on one
core, and saved 0.025 on two: 765 and 783 ms, beside 975 and 1,015 of eager PyTorch.

Tiles of 4 x 4 voxels were expected to save a twenty-fifth, and saved as much. Their derivatives had taken most of what
they spare: taking apart by indices is put together as a sum of padded arrays, one for each voxel that a tile meets and
each weight of a kernel, of which nine of the latter's alone took 45 ms a step. Split instead, of which the derivative
is a concatenation, one axis after the other and with one margin for phases and tiles, all of it together took 0.89 of
the time before: 697 ms, beside 997 of eager PyTorch (10 rounds in turn). A tile's sums one by one had the step compiled
in 57 s, and in 15 from the cache: with the first axis' sums as one array 33 and 5 s for the same step (672 beside 951
ms, 8 rounds), and a Jacobian 3.3 instead of 4.5 s.

Tried and not kept: transposed convolutions as dense ones over phases (XLA leaves out most of their zeros already);
patches where images have fewer than 64 channels a row; patches for kernels of 3 at a stride of 2 (alone 50 instead of
74 ms, but the published step took as long and the default's 3 % longer); strips under kernels of 2 (3 % slower);
kernels of 3 filled up to 4 for a stride of 2, so that it goes into phases (the default's step a quarter slower; only
where tiles pay, the published one 5 % slower); vectors of 512 bits (the default's step 2 % shorter, the published one's
2 % longer); margins of zeros within convolutions instead of around them (4 % slower); huge pages, or a heap that keeps
its memory, against the page faults of 0.4 GB of temporary memory (a tenth of the processor time): no difference.
"""

import contextlib
import importlib
import importlib.util
import itertools
import logging
import tempfile
import time
import types
from typing import NamedTuple

import jax
import numpy as np
from jax.experimental.compilation_cache import compilation_cache

from radiogenomics.benchmark import ceilings
from radiogenomics.benchmark.timing import median_cost, time_calls
from radiogenomics.data import pipeline
from radiogenomics.train import sharding, steps
from radiogenomics.train.state import create_state, make_players
from radiogenomics.train.trainer import compile_creation

GENES = 5172
PATIENTS = 16
PATCHES = 6  # nodules and backgrounds a patient
STEPS = 10  # timed
DRAWN = 100  # index batches
BATCHES = (16, 64, 256)  # tried on accelerators for the one that suits


class Problem(NamedTuple):
    """A training step on host arrays: everything but the compiled function."""

    config: object
    components: int
    arrays: steps.TrainingArrays  # of one fold, without a replica axis
    indices: dict  # name -> [batch] int32


class Compiled(NamedTuple):
    """A compiled training step and its arguments on the devices."""

    run: object
    state: object
    arrays: object
    indices: dict
    keys: object
    seconds: float  # of tracing and compiling


def make_problem(config, patients=PATIENTS, genes=GENES):
    """A `Problem` of so many patients; `genes` is the number of components where there is no front end."""
    components = genes if config.genes.front_end == "none" else config.genes.components
    count, shape = patients * PATCHES, (config.data.size,) * config.data.ndim
    generator, features = np.random.default_rng(0), len(config.train.radiomic_features)
    patches = steps.Patches(
        nodule_hu=generator.integers(-900, 0, (count, *shape), np.int16),
        nodule_mask=generator.integers(0, 2, (count, *shape), np.uint8),
        background_hu=generator.integers(-900, -700, (count, *shape), np.int16),
    )
    scaled = steps.Scaled(
        components=generator.standard_normal((patients, components), dtype=np.float32),
        targets=generator.standard_normal((patients, features), dtype=np.float32),
        target_mean=np.zeros(features, np.float32),
        target_sd=np.ones(features, np.float32),
    )
    patient = np.arange(config.train.batch_size, dtype=np.int32) % patients
    indices = {
        "patient": patient, "other": (patient + 1) % patients, "nodule": patient * PATCHES, "background": patient,
    }
    return Problem(config, components, steps.TrainingArrays(patches, scaled), indices)


def draw_batches(patients, batch_size):
    """The index batches of training for a cohort of so many patients."""
    owners = types.SimpleNamespace(patient=np.repeat(np.arange(patients), PATCHES))
    cohort = types.SimpleNamespace(nodules=owners, backgrounds=owners)
    return pipeline.index_batches(cohort, np.arange(patients), batch_size, seed=0)


def compile_step(problem, replicas=1):
    """A `Compiled` step of so many replicas, each with the same arrays."""
    config = problem.config
    players, mesh = make_players(config), sharding.make_mesh(config.train.batch_size, replicas)
    stack, _ = sharding.compile_stack(mesh)
    state = compile_creation(config, players, problem.components, mesh)(jax.random.key(0))
    states, keys = stack([state] * replicas), stack([jax.random.key(1)] * replicas)
    scaled = jax.tree.map(lambda values: np.stack([values] * replicas), problem.arrays.scaled)
    arrays = steps.TrainingArrays(
        sharding.place(problem.arrays.patches, sharding.replicated(mesh)),
        sharding.place(scaled, sharding.over_replicas(mesh)),
    )
    indices = {name: np.stack([[rows] * replicas]) for name, rows in problem.indices.items()}
    indices = sharding.place(indices, sharding.over_batch(mesh))
    began = time.perf_counter()
    run = steps.compile_steps(config, players, mesh).lower(states, arrays, indices, keys).compile()
    return Compiled(run, states, arrays, indices, keys, time.perf_counter() - began)


def time_step(compiled, count=STEPS):
    """The `Cost` of a training step; the state moves on as in training, its buffers donated."""
    state = compiled.state

    def call():
        nonlocal state
        state, _ = jax.block_until_ready(compiled.run(state, compiled.arrays, compiled.indices, compiled.keys))

    call()
    return median_cost(call, count)


def time_training(config):
    """Rows of the speed table: the step, its input, its compilation, its share of the machine, and the rivals'."""
    problem, batch = make_problem(config), config.train.batch_size
    with fresh_cache():
        compiled = compile_step(problem)
        cold, warm = compiled.seconds, compile_step(problem).seconds
    cost = time_step(compiled)
    second = cost.seconds
    drawn, placed = time_input(config, compiled)
    what = f"{config.model.architecture}, {config.data.size} px, batch {batch}, {config.model.dtype}"
    rows = [
        {"what": f"training step, {what} (ms)", "value": 1e3 * second,
         "note": f"median of {STEPS}; {1e3 * cost.cpu_seconds:.0f} ms of CPU time"},
        {"what": "training (images/s)", "value": batch / second, "note": ""},
        {"what": "input, of the step's time (%)", "value": 100.0 * (drawn + placed) / second,
         "note": f"drawing {1e6 * drawn:.0f} us, placing {1e6 * placed:.0f} us; aim below 2"},
        {"what": "compilation of the step (s)", "value": cold, "note": "tracing included, no cache"},
        {"what": "compilation, from the persistent cache (s)", "value": warm, "note": f"{cold / warm:.1f}x faster"},
    ]
    rows += describe_use(compiled, second, config.model.dtype) + time_synthesis(problem)
    rows += time_rivals(problem, cost)
    return rows + (time_batches(config) if jax.default_backend() != "cpu" else [])


@contextlib.contextmanager
def fresh_cache():
    """An empty persistent compilation cache that takes everything; afterwards the one that was there before."""
    names = ("jax_compilation_cache_dir", "jax_persistent_cache_min_compile_time_secs",
             "jax_persistent_cache_min_entry_size_bytes")
    before = {name: getattr(jax.config, name) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        try:
            for name, value in zip(names, (folder, 0.0, -1), strict=True):
                jax.config.update(name, value)
            compilation_cache.reset_cache()  # JAX looks at the setting once, with the first thing it compiles.
            yield folder
        finally:
            for name, value in before.items():
                jax.config.update(name, value)
            compilation_cache.reset_cache()


def time_input(config, compiled):
    """Seconds that one index batch takes to be drawn, and to be placed on the devices."""
    batches = draw_batches(PATIENTS, config.train.batch_size)
    next(batches)
    began = time.perf_counter()
    # More than the reader keeps ready, so that what counts is its pace.
    drawn = list(itertools.islice(batches, DRAWN))
    drawing = (time.perf_counter() - began) / DRAWN
    shardings = jax.tree.map(lambda rows: rows.sharding, compiled.indices)
    stacked = [{name: rows[None, None] for name, rows in batch.items()} for batch in drawn]

    def place_one():
        batch = stacked.pop()
        jax.block_until_ready({name: sharding.place(rows, shardings[name]) for name, rows in batch.items()})

    place_one()
    return drawing, float(np.median(time_calls(place_one, repeats=DRAWN // 2)))


def describe_use(compiled, second, dtype):
    """Rows: what share of the machine's measured ceilings the step reaches, by the compiler's count of its work."""
    operations, moved = ceilings.count_work(compiled.run)
    matmul, memory = ceilings.matmul_ceiling(dtype), ceilings.memory_ceiling()
    return [
        {"what": f"share of the {dtype} matrix-product ceiling (%)", "value": 100.0 * operations / second / matmul,
         "note": f"{operations / 1e9:.3g} GFLOP a step; ceiling {matmul / 1e9:.0f} GFLOP/s"},
        {"what": "share of the memory ceiling (%)", "value": 100.0 * moved / second / memory,
         "note": f"{moved / 1e9:.3g} GB a step, caches counted as memory; ceiling {memory / 1e9:.1f} GB/s"},
    ]


def time_synthesis(problem):
    """Row: images a second of the generator alone, a batch at a time."""
    config, batch = problem.config, problem.config.train.batch_size
    players = make_players(config)
    state = jax.jit(lambda key: create_state(config, players, problem.components, key).generator)(jax.random.key(0))
    background = np.zeros((batch, *(config.data.size,) * config.data.ndim, 1), np.float32)
    components = np.zeros((batch, problem.components), np.float32)
    noise = np.zeros((batch, config.model.noise_size), np.float32)
    inputs = jax.device_put((background, components, noise))
    second = ceilings.best_seconds(jax.jit(players.generator.apply), state, *inputs)
    return [{"what": "synthesis (images/s)", "value": batch / second, "note": f"batches of {batch}"}]


def time_batches(config):
    """Row: the share of the bfloat16 ceiling at the batch that suits the machine."""
    ceiling, shares = ceilings.matmul_ceiling("bfloat16"), {}
    for batch in BATCHES:
        varied = config.copy_and_resolve_references()
        varied.model.dtype, varied.train.batch_size = "bfloat16", batch
        compiled = compile_step(make_problem(varied))
        shares[batch] = 100.0 * ceilings.count_work(compiled.run)[0] / time_step(compiled).seconds / ceiling
    best = max(shares, key=shares.get)
    note = f"batch {best}; " + ", ".join(f"{batch}: {share:.1f}" for batch, share in shares.items())
    return [{"what": "share of the bfloat16 ceiling, best batch (%)", "value": shares[best], "note": note}]


def time_rivals(problem, cost):
    """Rows of the step in PyTorch, eager and compiled, with ratios to ours; not measured where it is not installed."""
    if importlib.util.find_spec("torch") is None:
        logging.warning("torch is not installed: the training step has no rival")
        return [{"what": "training step, PyTorch (ms)", "value": np.nan, "note": "not measured: not installed"}]
    return importlib.import_module("radiogenomics.benchmark.torch_speed").time_steps(problem, cost)
