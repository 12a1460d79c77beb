"""Writes the tables of the README: recovery of a planted truth, and speed against plain rivals.

    python launch/benchmark.py --suite=recovery --config=configs/phantom.py --out=DIR
"""

import pathlib

import entry
from absl import flags

from radiogenomics.benchmark import recovery, speed

SUITE = flags.DEFINE_enum("suite", "recovery", ["recovery", "speed"], "What to measure.")
CONFIG = entry.define_config()
OUT = entry.define_folder("out", "Folder for the tables; a benchmark that was interrupted goes on there.")


def main():
    suite = {"recovery": recovery, "speed": speed}[SUITE.value]
    table = suite.run_suite(CONFIG.value, pathlib.Path(OUT.value))
    print(table.to_string(float_format=lambda value: f"{value:.3g}"))


if __name__ == "__main__":
    entry.run(main, [SUITE, CONFIG, OUT])
