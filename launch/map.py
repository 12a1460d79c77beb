"""Writes the radiogenomic map of a run: map.nc, genes.csv, metagenes.csv, hits.csv; with gene sets enrichment.csv.

    python launch/map.py --workdir=DIR [--gene_sets=FILE.gmt] [--more_runs=DIR,DIR]

With --more_runs, trainings of the same configuration and cohort with other seeds (--config.seed), the map is the mean
over all of them, and its standard errors include what the seed of a training changes.
"""

import pathlib

import entry
from absl import flags

from radiogenomics.analysis import map_files, run
from radiogenomics.reports import map_tables

WORKDIR = entry.define_folder("workdir", "Run folder written by train.py.")
COHORT = entry.define_folder("cohort", "Cohort folder, where it has moved since training.", required=False)
GENE_SETS = entry.define_folder("gene_sets", "GMT file of gene sets to test for enrichment.", required=False)
MORE_RUNS = flags.DEFINE_list("more_runs", [], "Run folders of the same training with other seeds.")


def main():
    sets_path = entry.existing(GENE_SETS) if GENE_SETS.value else None
    first = run.load_run(entry.existing(WORKDIR), COHORT.value)
    more = [run.load_run(pathlib.Path(folder), first.cohort) for folder in MORE_RUNS.value]
    told = map_tables.describe_detection(map_files.map_run(first, sets_path, more))
    if told:  # Folds of three patients have no limit.
        print(told)


if __name__ == "__main__":
    entry.run(main, [WORKDIR, COHORT, GENE_SETS, MORE_RUNS])
