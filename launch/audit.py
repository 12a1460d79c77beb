"""Retrains one fold on permuted pairings of genes and images and compares what the map finds: audit.json.

    python launch/audit.py --workdir=DIR [--permutations=19] [--fold=0]

Takes as long as so many trainings of a fold; stopped, it goes on where it was.
"""

import entry
from absl import flags

from radiogenomics.analysis import audit, run

WORKDIR = entry.define_folder("workdir", "Run folder written by train.py.")
COHORT = entry.define_folder("cohort", "Cohort folder, where it has moved since training.", required=False)
PERMUTATIONS = flags.DEFINE_integer("permutations", 19, "Trainings; 19 are the fewest that reach p = 0.05.")
FOLD = flags.DEFINE_integer("fold", 0, "Number of the fold that is trained anew.")


def main():
    trained = run.load_run(entry.existing(WORKDIR), COHORT.value)
    print(audit.tell(audit.audit_run(trained, PERMUTATIONS.value, FOLD.value)))


if __name__ == "__main__":
    entry.run(main, [WORKDIR, COHORT, PERMUTATIONS, FOLD])
