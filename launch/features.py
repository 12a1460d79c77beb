"""Writes exact image features of a cohort's real nodules, one row per patient.

    python launch/features.py --cohort=DIR --out=features.csv
"""

import pathlib

import entry

from radiogenomics.analysis import feature_files

COHORT = entry.define_folder("cohort", "Cohort folder made by prepare.py.")
OUT = entry.define_folder("out", "CSV file to write; its settings go beside it as .json.")


def main():
    feature_files.write_features(entry.existing(COHORT), pathlib.Path(OUT.value))


if __name__ == "__main__":
    entry.run(main, [COHORT, OUT])
