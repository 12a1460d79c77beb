"""Makes a cohort folder from a phantom or from downloaded files.

    python launch/prepare.py --config=configs/phantom.py --out=DIR
    python launch/prepare.py --config=configs/nsclc.py --source=DOWNLOAD_DIR --out=DIR --workers=4
    python launch/prepare.py --config=configs/nsclc.py --source=DOWNLOAD_DIR --out=DIR --engine=beam
"""

import pathlib

import entry
from absl import flags

from radiogenomics.data import prepare

CONFIG = entry.define_config()
SOURCE = entry.define_folder("source", "Folder of downloaded files (DICOM, expression, clinical).", required=False)
OUT = entry.define_folder("out", "Cohort folder to make; a preparation that was interrupted goes on.")
WORKERS = flags.DEFINE_integer("workers", 1, "Processes that read patients.", lower_bound=1)
ENGINE = flags.DEFINE_enum("engine", "local", ["local", "beam"], "This machine, or Apache Beam (extra [beam]).")
BEAM = flags.DEFINE_multi_string("beam", [], "Flag of Apache Beam, such as --beam=--runner=FlinkRunner; repeatable.")


def main():
    source = entry.existing(SOURCE) if SOURCE.value else None
    prepare.prepare(CONFIG.value, pathlib.Path(OUT.value), source, WORKERS.value, ENGINE.value, BEAM.value)


if __name__ == "__main__":
    entry.run(main, [CONFIG, SOURCE, OUT, WORKERS, ENGINE, BEAM])
