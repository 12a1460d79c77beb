"""Writes the tables of the README: recovery of a planted truth, rivals of the generator, worth of each part of the
method, speed, reading of files, conformance of image features.

    python launch/benchmark.py --suite=recovery --config=configs/phantom.py --out=DIR
    python launch/benchmark.py --suite=plasmode --config=configs/nsclc.py --cohort=COHORT --expression=TABLE --out=DIR
    python launch/benchmark.py --suite=generator --config=configs/phantom.py --out=DIR
    python launch/benchmark.py --suite=generator --config=configs/nsclc.py --cohort=COHORT --out=DIR
    python launch/benchmark.py --suite=ablation --config=configs/phantom.py --seeds=3 --out=DIR
    python launch/benchmark.py --suite=speed --config=configs/phantom.py --out=DIR
    python launch/benchmark.py --suite=data --config=configs/nsclc.py --source=DOWNLOAD_DIR --out=DIR
    python launch/benchmark.py --suite=ibsi --source=IBSI_FOLDER --out=DIR
"""

import pathlib

import entry
from absl import flags

from radiogenomics.benchmark import ablation, conformance, generator, plasmode, preparation, recovery, speed
from radiogenomics.errors import InputError

SUITES = {
    "recovery": lambda out: recovery.run_suite(
        _given(CONFIG), out, SEEDS.value, _numbers(PATIENTS, int), _numbers(EFFECTS, float)
    ),
    "plasmode": lambda out: plasmode.run_suite(_given(CONFIG), _given_cohort(), _table(), out, SEEDS.value),
    "generator": lambda out: generator.run_suite(_given(CONFIG), out, _cohort()),
    "ablation": lambda out: ablation.run_suite(_given(CONFIG), out, _cohort(), SEEDS.value),
    "speed": lambda out: speed.run_suite(_given(CONFIG), out),
    "data": lambda out: preparation.run_suite(_source(), out, _given(CONFIG)),
    "ibsi": lambda out: conformance.run_suite(_source(), out),
}
SUITE = flags.DEFINE_enum("suite", "recovery", list(SUITES), "What to measure.")
CONFIG = entry.define_config(required=False)
SOURCE = entry.define_folder("source", "Downloaded files (data), or IBSI's phantom and values (ibsi).", required=False)
COHORT = entry.define_folder(
    "cohort", "Cohort made by prepare.py (generator, ablation, plasmode); else a phantom is simulated.", required=False
)
SEEDS = flags.DEFINE_integer("seeds", 3, "Runs of each variant (ablation), cohorts of each kind (recovery, plasmode).")
PATIENTS = flags.DEFINE_list(
    "patients", list(map(str, recovery.PATIENTS)), "Numbers of patients beside that of the configuration (recovery)."
)
EFFECTS = flags.DEFINE_list(
    "effects", list(map(str, recovery.EFFECTS)), "Effects planted beside that of the configuration (recovery)."
)
EXPRESSION = entry.define_folder("expression", "Table of expression profiles, one a row (plasmode).", required=False)
OUT = entry.define_folder("out", "Folder for the tables; a benchmark that was interrupted goes on there.")


def main():
    table = SUITES[SUITE.value](pathlib.Path(OUT.value))
    print(table.to_string(float_format=lambda value: f"{value:.3g}"))


def _given(flag):
    if flag.value is None:
        raise InputError(f"--{flag.name}: not given; --suite={SUITE.value} needs it.")
    return flag.value


def _source():
    _given(SOURCE)
    return entry.existing(SOURCE)


def _cohort():
    return None if COHORT.value is None else entry.existing(COHORT)


def _numbers(flag, kind):
    try:
        return tuple(map(kind, flag.value))
    except ValueError as error:
        raise InputError(f"--{flag.name}: '{','.join(flag.value)}'; expected numbers, separated by commas.") from error


def _given_cohort():
    _given(COHORT)
    return _cohort()


def _table():
    _given(EXPRESSION)
    return entry.existing(EXPRESSION)


if __name__ == "__main__":
    entry.run(main, [SUITE, CONFIG, SOURCE, COHORT, SEEDS, PATIENTS, EFFECTS, EXPRESSION, OUT])
