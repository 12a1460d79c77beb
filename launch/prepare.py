"""Makes a cohort folder from a phantom or from downloaded files.

    python launch/prepare.py --config=configs/phantom.py --out=DIR
    python launch/prepare.py --config=configs/nsclc.py --source=DOWNLOAD_DIR --out=DIR
"""

import pathlib

import entry

from radiogenomics.data import prepare

CONFIG = entry.define_config()
SOURCE = entry.define_folder("source", "Folder of downloaded files (DICOM, expression, clinical).", required=False)
OUT = entry.define_folder("out", "Cohort folder to make.")


def main():
    source = entry.existing(SOURCE) if SOURCE.value else None
    prepare.prepare(CONFIG.value, pathlib.Path(OUT.value), source)


if __name__ == "__main__":
    entry.run(main, [CONFIG, SOURCE, OUT])
