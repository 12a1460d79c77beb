"""Compares two radiogenomic maps: rank correlation, shared hits and signs, feature by feature.

    python launch/compare.py --a=DIR --b=DIR [--out=FILE.csv]
"""

import pathlib

import entry
from absl import flags

from radiogenomics.analysis import comparison, map_files
from radiogenomics.errors import InputError

A = entry.define_folder("a", "Folder of the first map, written by map.py or baseline.py.")
B = entry.define_folder("b", "Folder of the second map.")
OUT = entry.define_folder("out", "CSV file to write beside what is printed.", required=False)
VARIABLE = flags.DEFINE_string("variable", "score", "Variable of the maps that ranks the genes.")
FDR = flags.DEFINE_float("fdr", 0.05, "q below which a gene-feature pair is a hit.")


def main():
    if not 0.0 < FDR.value < 1.0:
        raise InputError(f"--fdr: {FDR.value:g}, expected a number between 0 and 1.")
    maps = [map_files.read_map(entry.existing(flag)) for flag in (A, B)]
    frame = comparison.compare(*maps, VARIABLE.value, FDR.value)
    print(comparison.format_comparison(frame))
    if OUT.value:
        comparison.write_comparison(frame, pathlib.Path(OUT.value))


if __name__ == "__main__":
    entry.run(main, [A, B, OUT, VARIABLE, FDR])
