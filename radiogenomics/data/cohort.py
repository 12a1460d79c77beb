"""A cohort on disk: a TFDS dataset in ArrayRecord files (no TensorFlow), with its genes, folds and QC.

    write_cohort(directory, collected, folds, settings)
    cohort = load_cohort(directory)
    cohort.nodules.image_hu        # [N, *S] int16
    cohort.expression              # [patients, genes] as published, NaN = not detected
"""

import contextlib
import dataclasses
import hashlib
import io
import logging
import pathlib
import tempfile

import numpy as np
import pandas as pd
import tensorflow_datasets as tfds
from tensorflow_datasets.core import writer
from tensorflow_datasets.proto import tf_example_pb2

from radiogenomics import outputs
from radiogenomics.data import qc
from radiogenomics.errors import InputError

TABLES = ("nodules", "backgrounds", "patients")
VERSION = "1.0.0"


@dataclasses.dataclass(frozen=True)
class Patient:
    """One patient as collected from files or simulated.

    `S` is the patch shape, `[size] * ndim`; one patch per nodule-bearing slice (2-D) or one per nodule (3-D).
    """

    patient: str
    nodule_image_hu: np.ndarray  # [n, *S] int16
    nodule_mask: np.ndarray  # [n, *S] uint8, 0 or 1
    nodule_slice: np.ndarray  # [n] int32, slice index in the patient's resampled volume
    background_image_hu: np.ndarray  # [m, *S] int16, nodule-free
    background_slice: np.ndarray  # [m] int32
    spacing_mm: float  # the same along every axis of the patch
    expression: np.ndarray  # [genes] float32, as published, NaN = not detected
    covariates: dict  # name -> str or float
    measurements: dict  # name (with unit) -> float


@dataclasses.dataclass(frozen=True)
class Collected:
    """What a source (phantom or files) hands to `write_cohort`."""

    patients: list  # of Patient, those that are kept
    genes: list  # gene symbols in the order of Patient.expression
    qc: list  # one dict a patient met: patient, kept, reason, warnings, ...
    truth: dict | None = None  # the planted truth of a phantom
    samples: pd.DataFrame | None = None  # quality, components, batch and site of every sample of the expression table
    findings: tuple = ()  # sentences on what the expression's leading components follow
    explained: tuple = ()  # share of the variance that each component explains
    expected: dict | None = None  # name -> patients that the literature counts in this collection


@dataclasses.dataclass(frozen=True)
class Patches:
    """Image patches of all patients; `mask` is None for backgrounds."""

    image_hu: np.ndarray  # [N, *S] int16
    mask: np.ndarray | None  # [N, *S] uint8
    patient: np.ndarray  # [N] int32, index into Cohort.patients
    slice: np.ndarray  # [N] int32


@dataclasses.dataclass(frozen=True)
class Cohort:
    """A cohort in memory, patients in file order."""

    directory: pathlib.Path
    patients: tuple  # of str
    genes: tuple  # of str
    expression: np.ndarray  # [patients, genes] float32, NaN = not detected
    covariates: pd.DataFrame  # indexed by patient
    measurements: pd.DataFrame  # indexed by patient
    nodules: Patches
    backgrounds: Patches
    spacing_mm: float
    folds: tuple  # of tuples of patient ids
    fingerprint: str
    truth: dict | None

    @property
    def patch_shape(self):
        """The shape `S` of every patch."""
        return self.nodules.image_hu.shape[1:]

    def indices(self, patients):
        """Row numbers of the named patients; InputError names one that the cohort does not hold."""
        position = {name: row for row, name in enumerate(self.patients)}
        unknown = [name for name in patients if name not in position]
        if unknown:
            raise InputError(f"{self.directory}: no patient '{unknown[0]}' in this cohort of {len(position)}.")
        return np.array([position[name] for name in patients], dtype=np.int32)


class StableWriter(writer.ExampleWriter):
    """Writes examples with their fields sorted: protobuf's own order, and so fingerprints, differ between processes."""

    def write(self, path, examples):
        """Writes (number, serialised example) pairs to a record file."""
        return super().write(path, ((number, _sort_fields(example)) for number, example in examples))


def _sort_fields(example):
    return tf_example_pb2.Example.FromString(example).SerializeToString(deterministic=True)


class CohortBuilder(tfds.core.GeneratorBasedBuilder):
    """One table of a cohort (`nodules`, `backgrounds` or `patients`) as a TFDS dataset.

    `examples` is an iterable of (number, example), or a Beam transform that yields them in any order.
    """

    VERSION = tfds.core.Version(VERSION)

    def __init__(self, *, table, features, examples, **kwargs):
        self.name = table
        self._features = features
        self._examples = examples
        super().__init__(file_format="array_record", **kwargs)

    def _info(self):
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(self._features),
            description="Radiogenomic cohort; see radiogenomics/data/cohort.py.",
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # Nothing is downloaded.
        return {"cohort": self._generate_examples()}

    def _generate_examples(self):
        return self._examples

    def _example_writer(self):
        return StableWriter(file_format=self.info.file_format)


def write_cohort(directory, collected, folds, settings, pipeline=None):
    """Writes a cohort folder atomically.

    Args:
      directory: the folder to make.
      collected: the Collected.
      folds: list of lists of patient ids.
      settings: dict kept as `config.json` for provenance.
      pipeline: `cohort_beam.Pipeline` that builds the tables; None builds them in this process.

    Raises:
      InputError: where no patient is left, or the folder holds something already.
    """
    directory = pathlib.Path(directory)
    if not collected.patients:
        reasons = sorted({row["reason"] for row in collected.qc if row.get("reason")})
        raise InputError(f"{directory.name}: no usable patient; reasons met: {'; '.join(reasons) or 'none found'}.")
    with outputs.new_directory(directory) as aside:
        for table in TABLES:
            _write_table(aside, table, collected.patients, pipeline)
        outputs.write_text(aside / "genes.txt", "\n".join(collected.genes) + "\n")
        outputs.write_json(aside / "split.json", {"folds": folds})
        outputs.write_json(aside / "config.json", settings)
        if collected.truth is not None:
            outputs.write_json(aside / "truth.json", collected.truth)
        qc.write_qc(aside, collected)


def _write_table(directory, table, patients, pipeline):
    first = next(example_rows(table, patients[0]))
    examples, options = enumerate(row for patient in patients for row in example_rows(table, patient)), None
    if pipeline is not None:
        examples, options = pipeline.examples(table, patients), pipeline.options
    tfds.disable_progress_bar()
    # The download manager insists on a folder although nothing is downloaded.
    with tempfile.TemporaryDirectory() as downloads, _quiet_absl(), contextlib.redirect_stdout(io.StringIO()):
        builder = CohortBuilder(table=table, features=_features(first), examples=examples, data_dir=directory)
        builder.download_and_prepare(
            download_dir=downloads,
            # Without the last, TFDS looks for a cohort of this name in a public bucket.
            download_config=tfds.download.DownloadConfig(beam_options=options, try_download_gcs=False),
        )


@contextlib.contextmanager
def _quiet_absl():
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def example_rows(table, patient):
    """Yields the examples of a Patient in one of `TABLES`, as dicts of arrays, text and numbers."""
    return _ROWS[table](patient)


def _nodule_rows(patient):
    for image, mask, position in zip(
        patient.nodule_image_hu, patient.nodule_mask, patient.nodule_slice, strict=True
    ):
        yield {"image_hu": image, "mask": mask} | _origin(patient, position)


def _background_rows(patient):
    for image, position in zip(patient.background_image_hu, patient.background_slice, strict=True):
        yield {"image_hu": image} | _origin(patient, position)


def _origin(patient, position):
    return {"patient": patient.patient, "slice": np.int32(position), "spacing_mm": np.float32(patient.spacing_mm)}


def _patient_rows(patient):
    yield {
        "patient": patient.patient,
        "expression": patient.expression,
        "covariates": patient.covariates,
        "measurements": patient.measurements,
    }


_ROWS = {"nodules": _nodule_rows, "backgrounds": _background_rows, "patients": _patient_rows}


def _features(value):
    """TFDS features of an example: text, float32 scalars and typed arrays, nested as the example is."""
    if isinstance(value, dict):
        return {key: _features(item) for key, item in value.items()}
    if isinstance(value, str):
        return tfds.features.Text()
    if np.ndim(value):
        return tfds.features.Tensor(shape=np.shape(value), dtype=value.dtype)
    return tfds.features.Scalar(dtype=value.dtype if isinstance(value, np.generic) else np.float32)


def load_cohort(directory):
    """Reads a cohort folder into memory; InputError where a part is missing or damaged."""
    directory = pathlib.Path(directory)
    if not (directory / "split.json").is_file():
        raise InputError(f"{directory}: not a cohort folder (no split.json in it); make one with launch/prepare.py.")
    rows = {table: _read_table(directory, table) for table in TABLES}
    patients = tuple(row["patient"] for row in rows["patients"])
    position = {name: index for index, name in enumerate(patients)}
    _check_patches(directory, rows, position)
    genes = tuple((directory / "genes.txt").read_text(encoding="utf-8").split())
    expression = np.stack([row["expression"] for row in rows["patients"]])
    if expression.shape[1] != len(genes):
        raise InputError(
            f"{directory / 'genes.txt'}: {len(genes)} genes, but the expression vectors have {expression.shape[1]}."
        )
    truth_file = directory / "truth.json"
    return Cohort(
        directory=directory,
        patients=patients,
        genes=genes,
        expression=expression,
        covariates=_frame(rows["patients"], "covariates", patients),
        measurements=_frame(rows["patients"], "measurements", patients),
        nodules=_patches(rows["nodules"], position),
        backgrounds=_patches(rows["backgrounds"], position),
        spacing_mm=float(rows["nodules"][0]["spacing_mm"]),
        folds=read_folds(directory / "split.json", patients),
        fingerprint=fingerprint(directory),
        truth=outputs.read_json(truth_file) if truth_file.exists() else None,
    )


def _read_table(directory, table):
    folder = directory / table / VERSION
    if not folder.is_dir():
        raise InputError(f"{folder}: missing; the cohort is incomplete, make it again with launch/prepare.py.")
    _check_classes(folder / "features.json")
    try:
        with _quiet_absl():
            builder = tfds.builder_from_directory(folder)
            source = builder.as_data_source(split="cohort")
        rows = source.__getitems__(list(range(len(source))))
    except (ValueError, RuntimeError, OSError, IndexError) as error:
        raise InputError(f"{folder}: cannot be read ({' '.join(str(error).split())}).") from error
    # A file cut off in the middle may be read without an error, as fewer examples or ones without content.
    whole = sum(all(value is not None for value in row.values()) for row in rows)
    expected = builder.info.splits["cohort"].num_examples
    if whole != expected or not rows:
        raise InputError(
            f"{folder}: holds {whole} whole examples; expected {expected or 'some'}; make the cohort again."
        )
    return [_decode(row) for row in rows]


def _check_classes(path):
    """InputError where a table's description names a class that is not TFDS's: reading would import its module."""
    names = _class_names(outputs.read_json(path))
    foreign = [name for name in names if not str(name).startswith("tensorflow_datasets.core.features.")]
    if foreign or not names:
        raise InputError(f"{path}: names the class '{(foreign or ['none'])[0]}', expected classes of TFDS.")


def _class_names(value):
    """Every class that a description of features names, at any depth."""
    if isinstance(value, list):
        return [name for item in value for name in _class_names(item)]
    if not isinstance(value, dict):
        return []
    named = [value[key] for key in ("pythonClassName", "python_class_name") if key in value]
    named += [value["type"]] if isinstance(value.get("type"), str) else []  # as older versions of TFDS wrote it
    return named + [name for item in value.values() for name in _class_names(item)]


def _check_patches(directory, rows, patients):
    """InputError unless nodules and backgrounds are those of the listed patients, at least one each."""
    for table in ("nodules", "backgrounds"):
        owners = {row["patient"] for row in rows[table]}
        for name in sorted(patients.keys() ^ owners):
            problem = "has no example" if name in patients else "is not in the table of patients"
            raise InputError(f"{directory / table}: patient '{name}' {problem}; make the cohort again.")


def _decode(value):
    """TFDS hands text out as bytes."""
    if isinstance(value, dict):
        return {key: _decode(item) for key, item in value.items()}
    return value.decode() if isinstance(value, bytes) else value


def _frame(rows, field, patients):
    return pd.DataFrame([row[field] for row in rows], index=pd.Index(patients, name="patient"))


def _patches(rows, position):
    return Patches(
        image_hu=np.stack([row["image_hu"] for row in rows]),
        mask=np.stack([row["mask"] for row in rows]) if "mask" in rows[0] else None,
        patient=np.array([position[row["patient"]] for row in rows], dtype=np.int32),
        slice=np.array([row["slice"] for row in rows], dtype=np.int32),
    )


def read_folds(path, patients):
    """Folds of `split.json` as tuples of ids; InputError unless they partition `patients`."""
    split = outputs.read_json(path)
    folds = split.get("folds") if isinstance(split, dict) else None
    if not isinstance(folds, list) or not all(isinstance(fold, list) for fold in folds):
        raise InputError(f'{path}: no folds in it; expected {{"folds": [[patient ids], ...]}}.')
    listed = [name for fold in folds for name in fold]
    if sorted(map(str, listed)) != sorted(patients) or not all(folds):
        raise InputError(
            f"{path}: the folds list {len(listed)} patients ({len(set(listed))} different); "
            f"expected each of the cohort's {len(patients)} exactly once, and no empty fold."
        )
    return tuple(tuple(fold) for fold in folds)


def fingerprint(directory):
    """SHA-256 over the cohort's record files, genes and folds: the identity of the data a run was made from."""
    digest = hashlib.sha256()
    directory = pathlib.Path(directory)
    records = sorted(path for table in TABLES for path in (directory / table).rglob("*array_record*"))
    for path in [*records, directory / "genes.txt", directory / "split.json"]:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
