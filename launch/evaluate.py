"""Measures, on held-out patients, whether the nodules obey the genes and look real; writes evaluation.json.

    python launch/evaluate.py --workdir=DIR
"""

import entry

from radiogenomics.analysis import evaluation, run

WORKDIR = entry.define_folder("workdir", "Run folder written by train.py.")
COHORT = entry.define_folder("cohort", "Cohort folder, where it has moved since training.", required=False)


def main():
    result = evaluation.evaluate(run.load_run(entry.existing(WORKDIR), COHORT.value))
    print("\n".join(evaluation.tell(result)))


if __name__ == "__main__":
    entry.run(main, [WORKDIR, COHORT])
