"""Training input: Grain draws which patients and patches meet in a step; the patches themselves stay on the device.

A batch is a few integers, so input costs nothing beside a step, and a checkpoint of the iterator is one number. For the
same reason records are not dealt out to the processes of a run on several hosts: each draws the whole index batch,
which depends on the seed and the step alone, and hands its own devices their part of it (`sharding.place`).
"""

import asyncio
import json

import grain
import jax
import numpy as np

from radiogenomics.errors import InputError


def index_batches(cohort, training_rows, batch_size, seed):
    """Endless `IndexBatches` over the training patients.

    A batch draws patients first and then one nodule and one background patch of each, so that every patient weighs
    the same however many slices it has. `other` is a different training patient, for mismatched pairs.

    Args:
      cohort: a `Cohort`.
      training_rows: row numbers of the patients to draw from.
      batch_size: examples a step, over all devices and hosts.
      seed: integer; the batch of a step depends on nothing else.

    Returns:
      An iterator of {"patient", "nodule", "background", "other"}, each [batch_size] int32.

    Raises:
      InputError: with fewer than two training patients, or one without patches.
    """
    rows = np.asarray(training_rows, np.int32)
    if len(rows) < 2:
        raise InputError(f"split.json: {len(rows)} training patients in a fold; expected at least two.")
    patches = {
        "nodule": _patches_of(cohort, cohort.nodules, rows, "nodule"),
        "background": _patches_of(cohort, cohort.backgrounds, rows, "background"),
    }

    def draw(index, generator):
        del index  # The generator already depends on it.
        return draw_batch(rows, patches, batch_size, generator)

    dataset = grain.MapDataset.range(2**31).seed(seed).random_map(draw)
    return IndexBatches(iter(dataset.to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=64))))


class IndexBatches:
    """An iterator whose position Orbax saves and loads through `save` and `load`, its protocol of stateful objects.

    Grain's own iterators keep a file a process and can only go on with as many processes. Here all have one position,
    which the first process writes, so that a run may go on with any number of them.
    """

    FILE = "position.json"

    def __init__(self, iterator):
        """Wraps a Grain iterator."""
        self._iterator = iterator

    def __iter__(self):
        """Itself."""
        return self

    def __next__(self):
        """The next index batch."""
        return next(self._iterator)

    async def save(self, directory):
        """Remembers the position at once; what is returned writes it."""
        position = json.dumps(self._iterator.get_state())

        async def write():
            folder = await directory.await_creation()
            if jax.process_index() == 0:
                await asyncio.to_thread((folder / self.FILE).write_text, position)

        return write()

    async def load(self, directory):
        """What is returned moves the iterator to the position that was saved."""
        async def read():
            self._iterator.set_state(json.loads(await asyncio.to_thread((directory / self.FILE).read_text)))

        return read()


def draw_batch(rows, patches, batch_size, generator):
    """One index batch; patients without replacement as long as they last."""
    rounds = -(-batch_size // len(rows))
    patient = np.concatenate([generator.permutation(rows) for _ in range(rounds)])[:batch_size]
    # A non-zero cyclic offset among the training patients never gives the patient itself.
    position = np.searchsorted(rows, patient)
    other = rows[(position + generator.integers(1, len(rows), batch_size)) % len(rows)]
    batch = {"patient": patient, "other": other}
    for name, of_patient in patches.items():
        batch[name] = np.array([generator.choice(of_patient[row]) for row in patient])
    return {name: values.astype(np.int32) for name, values in batch.items()}


def _patches_of(cohort, table, rows, name):
    found = {int(row): np.flatnonzero(table.patient == row) for row in rows}
    for row, numbers in found.items():
        if not len(numbers):
            raise InputError(f"{cohort.directory}: patient '{cohort.patients[row]}' has no {name} patch.")
    return found
