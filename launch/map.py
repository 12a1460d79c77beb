"""Writes the radiogenomic map of a run: map.nc, genes.csv, metagenes.csv, hits.csv.

    python launch/map.py --workdir=DIR
"""

import entry

from radiogenomics.analysis import map_files, run

WORKDIR = entry.define_folder("workdir", "Run folder written by train.py.")
COHORT = entry.define_folder("cohort", "Cohort folder, where it has moved since training.", required=False)


def main():
    map_files.map_run(run.load_run(entry.existing(WORKDIR), COHORT.value))


if __name__ == "__main__":
    entry.run(main, [WORKDIR, COHORT])
