"""Exhausted memory, told with the settings that need less."""

import contextlib

from radiogenomics.errors import TrainingStopped, is_exhausted

LOWER = ("train.batch_size", "model.width", "model.discriminator_width", "data.size")


@contextlib.contextmanager
def name_settings(config):
    """TrainingStopped, naming settings to lower and their values, where the block exhausts the memory."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_exhausted(error):
            raise
        said = ", ".join(f"{name} (now {config[name.split('.')[0]][name.split('.')[1]]})" for name in LOWER)
        # The published objective normalises by the whole batch, and its networks keep what they computed.
        whole = config.train.objective == "published"
        parts, again = ("", "") if whole else (", a larger train.accumulate", "model.remat=True or ")
        raise TrainingStopped(
            f"out of memory ({(str(error).splitlines() or ['MemoryError'])[0]}); the last checkpoint is kept; go on "
            f"with train.replicas=1, train.steps_per_call=1{parts}, or begin a new run with {again}lower {said}."
        ) from error
