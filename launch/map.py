"""Writes the radiogenomic map of a run: map.nc, genes.csv, metagenes.csv, hits.csv; with gene sets enrichment.csv.

    python launch/map.py --workdir=DIR [--gene_sets=FILE.gmt]
"""

import entry

from radiogenomics.analysis import map_files, run

WORKDIR = entry.define_folder("workdir", "Run folder written by train.py.")
COHORT = entry.define_folder("cohort", "Cohort folder, where it has moved since training.", required=False)
GENE_SETS = entry.define_folder("gene_sets", "GMT file of gene sets to test for enrichment.", required=False)


def main():
    sets_path = entry.existing(GENE_SETS) if GENE_SETS.value else None
    map_files.map_run(run.load_run(entry.existing(WORKDIR), COHORT.value), sets_path)


if __name__ == "__main__":
    entry.run(main, [WORKDIR, COHORT, GENE_SETS])
