"""Writes the tables of the README: recovery of a planted truth, speed, conformance of image features, reading of files.

    python launch/benchmark.py --suite=recovery --config=configs/phantom.py --out=DIR
    python launch/benchmark.py --suite=speed --config=configs/phantom.py --out=DIR
    python launch/benchmark.py --suite=data --config=configs/nsclc.py --source=DOWNLOAD_DIR --out=DIR
    python launch/benchmark.py --suite=ibsi --source=IBSI_FOLDER --out=DIR
"""

import pathlib

import entry
from absl import flags

from radiogenomics.benchmark import conformance, preparation, recovery, speed
from radiogenomics.errors import InputError

SUITES = {
    "recovery": lambda out: recovery.run_suite(_given(CONFIG), out),
    "speed": lambda out: speed.run_suite(_given(CONFIG), out),
    "data": lambda out: preparation.run_suite(_source(), out, _given(CONFIG)),
    "ibsi": lambda out: conformance.run_suite(_source(), out),
}
SUITE = flags.DEFINE_enum("suite", "recovery", list(SUITES), "What to measure.")
CONFIG = entry.define_config(required=False)
SOURCE = entry.define_folder("source", "Downloaded files (data), or IBSI's phantom and values (ibsi).", required=False)
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


if __name__ == "__main__":
    entry.run(main, [SUITE, CONFIG, SOURCE, OUT])
