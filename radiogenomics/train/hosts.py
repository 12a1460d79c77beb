"""Several processes, on one machine or many, that train together through JAX's own runtime.

Every process runs the same program and draws the same index batches; the first one alone writes text and pictures,
checkpoints are written by Orbax from all of them.
"""

import jax
from jax.experimental import multihost_utils

from radiogenomics.errors import InputError


def connect(coordinator_address=None, num_processes=None, process_id=None):
    """Joins the processes of a run; to be called before anything asks JAX for devices.

    What is None is found by JAX: in the environment of SLURM, Open MPI, GKE or a Cloud TPU.

    Args:
      coordinator_address: "host:port" of the first process.
      num_processes: how many processes there are.
      process_id: number of this one, from 0.

    Raises:
      InputError: where what is given and what is found do not name a place among the processes.
    """
    try:
        jax.distributed.initialize(coordinator_address, num_processes, process_id)
    except (ValueError, TypeError, IndexError, RuntimeError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise InputError(
            f"--coordinator_address={coordinator_address}, --num_processes={num_processes}, --process_id={process_id}: "
            f"the processes cannot be joined ({reason}); expected HOST:PORT of process 0, a number of processes and "
            "0 to one less, or an environment that tells them (SLURM, Open MPI, GKE, Cloud TPU)."
        ) from error


def is_first():
    """Whether this process is the one that writes, which it is where it is alone."""
    return jax.process_index() == 0


def wait_for_all(name):
    """Returns when every process has come here; what the first one wrote before can be read by all after."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def agree(tree):
    """Host arrays as the first process has them: sums of floating-point numbers may differ between machines."""
    return multihost_utils.broadcast_one_to_all(tree) if jax.process_count() > 1 else tree
