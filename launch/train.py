"""Trains the generator on every fold of a cohort; run again, it resumes.

    python launch/train.py --config=configs/phantom.py --cohort=DIR --workdir=DIR --config.train.steps=1000

On several hosts start it once a host (or once a GPU), every time with the same flags and --distributed.
"""

import pathlib

import entry
from absl import flags

from radiogenomics.data import cohort
from radiogenomics.train import hosts, loop

CONFIG = entry.define_config()
COHORT = entry.define_folder("cohort", "Cohort folder made by prepare.py.")
WORKDIR = entry.define_folder("workdir", "Run folder to write or to resume; on several hosts one that all share.")
DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "Train together with the other processes that SLURM, Open MPI, GKE or Cloud TPU started."
)
COORDINATOR = flags.DEFINE_string("coordinator_address", None, "With --distributed, where nothing tells it: HOST:PORT "
                                  "of process 0.")
PROCESSES = flags.DEFINE_integer("num_processes", None, "With --distributed: how many processes there are.")
PROCESS = flags.DEFINE_integer("process_id", None, "With --distributed: number of this process, from 0.")


def main():
    if DISTRIBUTED.value:
        hosts.connect(COORDINATOR.value, PROCESSES.value, PROCESS.value)
        entry.narrate_once(hosts.is_first())
    loop.train(CONFIG.value, cohort.load_cohort(entry.existing(COHORT)), pathlib.Path(WORKDIR.value))


if __name__ == "__main__":
    entry.run(main, [CONFIG, COHORT, WORKDIR, DISTRIBUTED, COORDINATOR, PROCESSES, PROCESS])
