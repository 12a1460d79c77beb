"""Trains the generator on every fold of a cohort; run again, it resumes.

    python launch/train.py --config=configs/phantom.py --cohort=DIR --workdir=DIR --config.train.steps=1000
"""

import pathlib

import entry

from radiogenomics.data import cohort
from radiogenomics.train import loop

CONFIG = entry.define_config()
COHORT = entry.define_folder("cohort", "Cohort folder made by prepare.py.")
WORKDIR = entry.define_folder("workdir", "Run folder to write or to resume.")


def main():
    loop.train(CONFIG.value, cohort.load_cohort(entry.existing(COHORT)), pathlib.Path(WORKDIR.value))


if __name__ == "__main__":
    entry.run(main, [CONFIG, COHORT, WORKDIR])
