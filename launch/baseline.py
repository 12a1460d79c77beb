"""The classical radiogenomic map (cluster genes, measure features, correlate) on the same patients or on plain tables.

    python launch/baseline.py --cohort=DIR --out=DIR
    python launch/baseline.py --expression=TABLE --features=TABLE [--covariates=TABLE] --out=DIR

--statistic=distance sees links of any shape, --statistic=partial_spearman adjusts ranks for the covariates.
"""

import pathlib

import entry
from absl import flags

from radiogenomics.analysis import baseline_files, dependence
from radiogenomics.errors import InputError

CONFIG = entry.define_config(required=False)
COHORT = entry.define_folder("cohort", "Cohort folder made by prepare.py.", required=False)
EXPRESSION = entry.define_folder("expression", "Table of genes x patients or patients x genes.", required=False)
FEATURES = entry.define_folder("features", "Table of image features, one row per patient.", required=False)
COVARIATES = entry.define_folder("covariates", "Table of covariates, one row per patient.", required=False)
STATISTIC = flags.DEFINE_enum("statistic", "spearman", list(dependence.STATISTICS), "How links are measured.")
STANDARDISED = flags.DEFINE_bool(
    "standardised", False, "The expression table holds z-scores or logged values, not FPKM, TPM or counts."
)
PREDICTORS = flags.DEFINE_bool("predictors", True, "Also predict features by ridge, elastic net, PLS: predictors.csv.")
OUT = entry.define_folder("out", "Folder to write map.nc and its tables into.")


def main():
    config = CONFIG.value
    if COHORT.value and (EXPRESSION.value or FEATURES.value or COVARIATES.value or STANDARDISED.value):
        raise InputError("--cohort: given together with plain tables; expected one of the two.")
    if COHORT.value:
        baseline_files.map_cohort(
            entry.existing(COHORT), pathlib.Path(OUT.value), config, STATISTIC.value, PREDICTORS.value
        )
        return
    if not (EXPRESSION.value and FEATURES.value):
        raise InputError("--cohort, or --expression with --features: none given; expected one of the two.")
    covariates = entry.existing(COVARIATES) if COVARIATES.value else None
    baseline_files.map_tables(
        entry.existing(EXPRESSION), entry.existing(FEATURES), covariates, pathlib.Path(OUT.value), config,
        STATISTIC.value, STANDARDISED.value, PREDICTORS.value,
    )


if __name__ == "__main__":
    entry.run(main, [CONFIG, COHORT, EXPRESSION, FEATURES, COVARIATES, STATISTIC, STANDARDISED, PREDICTORS, OUT])
