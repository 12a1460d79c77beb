"""Synthesises nodules from patients' genes, each by the fold that never saw the patient.

    python launch/synthesize.py --workdir=DIR --patients=P001,P002 --out=DIR --format=nifti
"""

import pathlib

import entry
from absl import flags

from radiogenomics.analysis import run, synthesis_files

WORKDIR = entry.define_folder("workdir", "Run folder written by train.py.")
COHORT = entry.define_folder("cohort", "Cohort folder, where it has moved since training.", required=False)
PATIENTS = flags.DEFINE_list("patients", None, "Patient ids, separated by commas.", required=True)
OUT = entry.define_folder("out", "Folder to make.")
FORMAT = flags.DEFINE_enum("format", "png", ["png", "nifti"], "Picture for the eye, or HU and mask with spacing.")
BACKGROUNDS = flags.DEFINE_integer("backgrounds", 2, "Nodule-free patches to put each nodule into.", lower_bound=1)
NOISES = flags.DEFINE_integer("noises", 2, "Noise draws for each background.", lower_bound=1)


def main():
    trained = run.load_run(entry.existing(WORKDIR), COHORT.value)
    synthesis_files.write_synthesis(
        trained, PATIENTS.value, pathlib.Path(OUT.value), FORMAT.value, BACKGROUNDS.value, NOISES.value
    )


if __name__ == "__main__":
    entry.run(main, [WORKDIR, COHORT, PATIENTS, OUT, FORMAT, BACKGROUNDS, NOISES])
