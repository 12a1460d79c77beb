"""The worked example on public tables, no images needed: a classical map before and after adjusting for covariates.

Download the RNA-seq table of GEO GSE103584, and from TCIA "NSCLC Radiogenomics" the AIM annotations and the clinical
table; then

    python launch/real_tables.py --expression=TABLE --semantics=AIM_FOLDER --clinical=TABLE --out=DIR

A table of z-scores instead of FPKM takes --standardised.
"""

import json
import pathlib

import entry
from absl import flags

from radiogenomics import settings
from radiogenomics.benchmark import real_tables

EXPRESSION = entry.define_folder("expression", "Table of genes x patients or patients x genes.")
SEMANTICS = entry.define_folder("semantics", "Folder of AIM files, or a table of semantic terms by patient.")
CLINICAL = entry.define_folder("clinical", "Clinical table of the collection.")
STANDARDISED = flags.DEFINE_bool(
    "standardised", False, "The expression table holds z-scores or logged values, not FPKM, TPM or counts."
)
OUT = entry.define_folder("out", "Folder to write tables, maps, summary.json and real_tables.png into.")


def main():
    summary = real_tables.run_example(
        *(entry.existing(flag) for flag in (EXPRESSION, SEMANTICS, CLINICAL)), pathlib.Path(OUT.value),
        settings.default_config(), STANDARDISED.value,
    )
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    entry.run(main, [EXPRESSION, SEMANTICS, CLINICAL, STANDARDISED, OUT])
