"""Bad input ends with status 1 and one sentence that names what is wrong; nothing half-written stays behind."""

import json
import shutil

import numpy as np
import pytest

from radiogenomics.data import cohort as cohorts


def sentence(outcome):
    """The one error sentence of a launcher that failed as it should."""
    assert outcome.code == 1, outcome
    assert "Traceback" not in outcome.stderr
    errors = [line for line in outcome.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, outcome.stderr
    assert outcome.stderr.rstrip().endswith(errors[0])
    return errors[0]


@pytest.fixture
def copied(cohort_folder, tmp_path):
    """A copy of the tiny cohort, to be damaged."""
    return shutil.copytree(cohort_folder, tmp_path / "copied")


@pytest.fixture
def train(launch, config_file, tmp_path):
    """`train(cohort, *arguments)` runs train.py on a cohort with a new workdir, which it must not make."""

    def run(cohort, *arguments, config=config_file):
        outcome = launch(
            "train", f"--config={config}", f"--cohort={cohort}", f"--workdir={tmp_path / 'work'}", *arguments
        )
        assert not (tmp_path / "work").exists()
        return sentence(outcome)

    return run


@pytest.mark.parametrize("name", ["evaluate", "map", "features", "baseline", "train"])
def test_missing_folder_is_named(launch, config_file, tmp_path, name):
    given = "workdir" if name in ("evaluate", "map") else "cohort"
    others = {"features": ["--out={}"], "baseline": ["--out={}"], "train": ["--workdir={}", f"--config={config_file}"]}
    arguments = [each.format(tmp_path / "out") for each in others.get(name, ())]
    told = sentence(launch(name, f"--{given}={tmp_path / 'nowhere'}", *arguments))
    assert f"--{given}" in told and str(tmp_path / "nowhere") in told
    assert list(tmp_path.iterdir()) == []


def test_required_flags_are_asked_for(launch, config_file, tmp_path):
    told = sentence(launch("train", f"--config={config_file}", f"--workdir={tmp_path / 'work'}"))
    assert "--cohort" in told


@pytest.mark.parametrize("name", ["train", "prepare"])
def test_missing_config_flag_is_asked_for(launch, cohort_folder, tmp_path, name):
    arguments = {"train": [f"--cohort={cohort_folder}", f"--workdir={tmp_path / 'out'}"],
                 "prepare": [f"--out={tmp_path / 'out'}"]}[name]
    assert "--config" in sentence(launch(name, *arguments))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "argument, expected",
    [
        ("--config.train.stepz=3", "stepz"),
        ("--config.train.steps=abc", "abc"),
        ("--config.train.steps=1.5", "1.5"),
        ("--config.trian.steps=3", "trian"),
        ("--steps=3", "steps"),
        ("steps=3", "steps=3"),
        ("--config.train.steps=0", "train.steps: 0"),
        ("--config.train.batch_size=0", "train.batch_size: 0"),
        ("--config.train.log_every=0", "train.log_every: 0"),
        ("--config.data.ndim=4", "data.ndim"),
        ("--config.data.size=32", "16 x 16"),
        ("--config.data.extent_mm=64", "data.extent_mm"),
        ("--config.model.scales=9", "model.scales"),
        ("--config.genes.components=-1", "genes.components: -1"),
        ("--config.genes.adjust=('phase_of_moon',)", "phase_of_moon"),
        ("--config.train.radiomic_features=('roundness',)", "roundness"),
    ],
)
def test_bad_setting_is_named(train, cohort_folder, argument, expected):
    assert expected in train(cohort_folder, argument)


def test_missing_config_file_is_named(train, cohort_folder, tmp_path):
    assert "absent.py" in train(cohort_folder, config=tmp_path / "absent.py")


@pytest.mark.parametrize("text", ["def get_config(:\n", "import no_such_module_anywhere\n", "settings = 3\n"])
def test_broken_config_file_is_named(train, cohort_folder, tmp_path, text):
    (tmp_path / "broken.py").write_text(text)
    assert "--config" in train(cohort_folder, config=tmp_path / "broken.py")


def test_batch_that_does_not_divide_among_devices(launch, config_file, cohort_folder, tmp_path):
    outcome = launch(
        "train", f"--config={config_file}", f"--cohort={cohort_folder}", f"--workdir={tmp_path / 'work'}",
        "--config.train.replicas=1", environment={"XLA_FLAGS": "--xla_force_host_platform_device_count=3"},
    )
    assert "train.batch_size: 8 cannot be shared by 3 devices" in sentence(outcome)
    assert not (tmp_path / "work").exists()


def test_empty_folder_is_no_cohort(train, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "not a cohort folder" in train(tmp_path / "empty")


def test_patient_listed_twice_in_the_split(train, copied):
    folds = json.loads((copied / "split.json").read_text())["folds"]
    folds[0][0] = folds[1][0]
    (copied / "split.json").write_text(json.dumps({"folds": folds}))
    assert "split.json" in train(copied)


@pytest.mark.parametrize("text", ['[["P001"]]', '{"folds": 3}', '{"folds": [1, 2]}', "{}", "not json"])
def test_split_that_is_no_split(train, copied, text):
    (copied / "split.json").write_text(text)
    assert "split.json" in train(copied)


@pytest.mark.parametrize("table", cohorts.TABLES)
def test_truncated_records(train, copied, table):
    record = next((copied / table).rglob("*array_record*"))
    record.write_bytes(record.read_bytes()[: record.stat().st_size // 2])
    assert str(copied / table) in train(copied)


@pytest.mark.parametrize("missing", ["genes.txt", "patients", "nodules"])
def test_missing_part_of_a_cohort(train, copied, missing):
    path = copied / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert missing in train(copied)


def write_damaged(cohort, folder, config, change):
    """The tiny cohort again, with `change(patient number, fields of the Patient)` applied."""
    patients = []
    for row, name in enumerate(cohort.patients):
        nodules, backgrounds = cohort.nodules.patient == row, cohort.backgrounds.patient == row
        fields = {
            "patient": name,
            "nodule_image_hu": cohort.nodules.image_hu[nodules],
            "nodule_mask": cohort.nodules.mask[nodules],
            "nodule_slice": cohort.nodules.slice[nodules],
            "background_image_hu": cohort.backgrounds.image_hu[backgrounds],
            "background_slice": cohort.backgrounds.slice[backgrounds],
            "spacing_mm": cohort.spacing_mm,
            "expression": cohort.expression[row].copy(),
            "covariates": cohort.covariates.iloc[row].to_dict(),
            "measurements": cohort.measurements.iloc[row].to_dict(),
        }
        patients.append(cohorts.Patient(**(fields | change(row, fields))))
    quality = [{"patient": name, "kept": True, "reason": "", "warnings": []} for name in cohort.patients]
    collected = cohorts.Collected(patients=patients, genes=list(cohort.genes), qc=quality)
    cohorts.write_cohort(folder, collected, [list(fold) for fold in cohort.folds], {"config": config.to_dict()})
    return folder


@pytest.mark.parametrize("value", [-1.0, np.inf])
def test_impossible_expression(train, cohort, config, tmp_path, value):
    def change(row, fields):
        fields["expression"][3] = value if row == 5 else fields["expression"][3]
        return {}

    told = train(write_damaged(cohort, tmp_path / "damaged", config, change))
    assert cohort.genes[3] in told and f"{value:g}" in told


def test_patient_without_background(train, cohort, config, tmp_path):
    def change(row, fields):
        keep = slice(0, 0) if row == 5 else slice(None)
        return {name: fields[name][keep] for name in ("background_image_hu", "background_slice")}

    assert cohort.patients[5] in train(write_damaged(cohort, tmp_path / "damaged", config, change))


def test_workdir_of_another_config(launch, config_file, cohort_folder, workdir):
    before = {path: path.stat().st_mtime_ns for path in workdir.rglob("*")}
    outcome = launch(
        "train", f"--config={config_file}", f"--cohort={cohort_folder}", f"--workdir={workdir}",
        "--config.train.beta2=0.5",
    )
    assert "train.beta2=0.99, not 0.5" in sentence(outcome)
    assert before == {path: path.stat().st_mtime_ns for path in workdir.rglob("*")}


def test_workdir_of_another_cohort(launch, config_file, copied, workdir):
    genes = (copied / "genes.txt").read_text()
    (copied / "genes.txt").write_text(genes.replace("M01", "X01"))
    arguments = ("train", f"--config={config_file}", f"--cohort={copied}", f"--workdir={workdir}")
    assert "fingerprint" in sentence(launch(*arguments))
    assert "fingerprint" in sentence(launch("map", f"--workdir={workdir}", f"--cohort={copied}"))


@pytest.mark.parametrize("name", ["evaluate", "map"])
def test_run_without_checkpoints(launch, workdir, cohort_folder, tmp_path, name):
    damaged = shutil.copytree(workdir, tmp_path / "damaged")
    shutil.rmtree(damaged / "fold_1" / "checkpoints")
    told = sentence(launch(name, f"--workdir={damaged}"))
    assert str(damaged / "fold_1" / "checkpoints") in told
    assert not (damaged / "fold_1" / "checkpoints").exists()


def test_unfinished_run(launch, workdir, cohort_folder, tmp_path):
    damaged = shutil.copytree(workdir, tmp_path / "damaged")
    (damaged / "fold_1" / "TRAIN_DONE").unlink()
    assert "fold_1" in sentence(launch("evaluate", f"--workdir={damaged}"))


def test_truncated_checkpoint(launch, workdir, config_file, cohort_folder, tmp_path):
    damaged = shutil.copytree(workdir, tmp_path / "damaged")
    for path in (damaged / "fold_1" / "checkpoints" / "4").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    told = sentence(launch("evaluate", f"--workdir={damaged}"))
    assert f"{damaged / 'fold_1' / 'checkpoints' / '4'}: the checkpoint is damaged" in told
    (damaged / "fold_1" / "TRAIN_DONE").unlink()
    resumed = launch("train", f"--config={config_file}", f"--cohort={cohort_folder}", f"--workdir={damaged}")
    assert resumed.code == 0 and "the checkpoint of step 4 is damaged" in resumed.stderr
    assert (damaged / "fold_1" / "TRAIN_DONE").read_text() == "4\n"
    name = "fold_1/metrics.jsonl"
    assert [line.split('"steps_per')[0] for line in (damaged / name).read_text().splitlines()] == [
        line.split('"steps_per')[0] for line in (workdir / name).read_text().splitlines()
    ]


@pytest.mark.parametrize("folds", [0, 1, 3])
def test_folds_that_the_patients_cannot_fill(launch, config_file, tmp_path, folds):
    out = tmp_path / "out"
    few = ("--config.phantom.patients=5", f"--config.data.folds={folds}")
    outcome = launch("prepare", f"--config={config_file}", f"--out={out}", *few)
    assert f"data.folds: {folds}" in sentence(outcome)
    assert list(tmp_path.iterdir()) == []


def test_no_usable_patient(launch, root, tmp_path):
    (tmp_path / "source").mkdir()
    outcome = launch(
        "prepare", f"--config={root / 'configs' / 'nsclc.py'}", f"--source={tmp_path / 'source'}",
        f"--out={tmp_path / 'out'}",
    )
    assert str(tmp_path / "source") in sentence(outcome)
    assert not (tmp_path / "out").exists()


def test_verbosity_shows_the_traceback(launch, config_file, tmp_path):
    (tmp_path / "empty").mkdir()
    outcome = launch(
        "train", f"--config={config_file}", f"--cohort={tmp_path / 'empty'}", f"--workdir={tmp_path / 'work'}",
        "--verbosity=1",
    )
    assert outcome.code == 1
    assert "Traceback" in outcome.stderr and "InputError" in outcome.stderr


@pytest.mark.parametrize(
    "flags, told",
    [
        ((), "--coordinator_address=None"),
        (("--coordinator_address=here", "--num_processes=2", "--process_id=0"), "--coordinator_address=here"),
        (("--coordinator_address=127.0.0.1:1", "--num_processes=2", "--process_id=2"), "--process_id=2"),
        (("--coordinator_address=127.0.0.1:1", "--process_id=0"), "Number of processes must be defined"),
    ],
)
def test_processes_that_cannot_be_joined(train, cohort_folder, flags, told):
    assert told in train(cohort_folder, "--distributed", *flags)
