"""Writes report.html, one self-contained page about a run, and prints its summary.

    python launch/report.py --workdir=DIR [--baseline=DIR]
"""

import pathlib

import entry

from radiogenomics.reports import html, summary

WORKDIR = entry.define_folder("workdir", "Run folder with evaluation.json and map.nc.")
BASELINE = entry.define_folder("baseline", "Folder written by baseline.py, to stand beside.", required=False)
COHORT = entry.define_folder("cohort", "Cohort folder, where it has moved since training.", required=False)


def main():
    baseline = entry.existing(BASELINE) if BASELINE.value else None
    cohort = pathlib.Path(COHORT.value) if COHORT.value else None
    files = html.read_files(entry.existing(WORKDIR), baseline, cohort)
    path = html.write_page(files)
    print("\n".join(summary.summarise(files.evaluation, files.dataset, files.fdr, files.baseline, files.truth)))
    print(f"report: {path}")


if __name__ == "__main__":
    entry.run(main, [WORKDIR, BASELINE, COHORT])
