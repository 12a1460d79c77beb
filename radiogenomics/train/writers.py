"""What training writes besides checkpoints: metrics as JSON lines and TensorBoard events, samples as PNG."""

import contextlib
import json

import matplotlib
import numpy as np
import tensorboardX

from radiogenomics import outputs
from radiogenomics.data.patches import middle_slice
from radiogenomics.train import hosts

matplotlib.use("Agg")
from matplotlib import image as matplotlib_image  # noqa: E402 (after the backend is chosen)


@contextlib.contextmanager
def open_metrics(directory, first_step):
    """Yields `write(step, metrics)`; lines past `first_step` left by an interrupted run are dropped first.

    Only the first process writes; the others get a function that does nothing.
    """
    if not hosts.is_first():
        yield lambda step, metrics: None
        return
    path = directory / "metrics.jsonl"
    outputs.write_text(path, "".join(_lines_until(path, first_step)))
    with (
        outputs.tell_failed_writes(path),
        open(path, "a", encoding="utf-8") as lines,
        # A queue without end: its reader dies on a full disk, and who then fills a short one waits for ever.
        tensorboardX.SummaryWriter(str(directory / "tensorboard"), purge_step=first_step + 1, max_queue=0) as events,
    ):

        def write(step, metrics):
            lines.write(json.dumps({"step": step} | metrics) + "\n")
            lines.flush()
            for name, value in metrics.items():
                events.add_scalar(name, value, step)

        yield write


def _lines_until(path, step):
    """Lines of a metrics file up to a step; the last line of a killed run may be cut off and counts as later."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True) if path.exists() else []
    return [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]


def write_samples(path, rows):
    """Writes rows of images [count, S, S] in 0..1 as one PNG grid; of volumes the middle slice is shown."""
    flat = [np.concatenate([middle_slice(image) for image in row], axis=1) for row in rows]
    grid = np.clip(np.concatenate(flat, axis=0), 0.0, 1.0)
    enlarged = np.kron(grid, np.ones((4, 4)))  # 32-pixel patches are too small to be looked at
    with outputs.new_file(path) as aside:
        matplotlib_image.imsave(aside, enlarged, cmap="gray", vmin=0.0, vmax=1.0)
