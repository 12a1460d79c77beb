"""Preparation of real files: on several processes, through Beam, interrupted, killed, gone on with."""

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import ml_collections
import numpy as np
import pandas as pd
import pytest

from radiogenomics.data import cohort as cohorts
from radiogenomics.data import files, images, parts, prepare
from radiogenomics.errors import InputError

ROOT = pathlib.Path(__file__).parents[2]
PATIENTS = ("P1", "P2", "P3", "P4", "P5")


@pytest.fixture
def source(tmp_path, study):
    """Five complete patients."""
    folder = tmp_path / "download"
    volume, mask = study.make_chest((24, 80, 100), nodule_center=(12, 40, 30))
    for patient in PATIENTS:
        study.write_seg(folder / patient / "seg.dcm", study.write_ct(folder / patient / "ct", patient, volume), [mask])
    values = np.random.default_rng(0).lognormal(2, 1, (6, len(PATIENTS)))
    pd.DataFrame(values, index=list("ABCDEF"), columns=PATIENTS).to_csv(folder / "GSE103584_RNAseq.txt", sep="\t")
    return folder


@pytest.fixture
def config(files_config):
    files_config.data.folds = 2
    return files_config


@pytest.fixture
def finished(monkeypatch):
    """Patients in the order in which they are read."""
    names, finish = [], parts.finish_job

    def count(job):
        names.append(job.task.patient)
        finish(job)

    monkeypatch.setattr(parts, "finish_job", count)
    return names


def arguments(config, source, out):
    """The command line of these settings."""
    sections = ("data.extent_mm", "data.size", "data.backgrounds_per_patient", "data.folds", "files.min_lung_ml")
    values = {name: config[name.split(".")[0]][name.split(".")[1]] for name in sections}
    values |= {"files.batch_permutations": config.files.batch_permutations}
    command = [sys.executable, ROOT / "launch" / "prepare.py", f"--config={ROOT / 'configs' / 'nsclc.py'}"]
    settings = [f"--config.{key}={value}" for key, value in values.items()]
    return [*command, f"--source={source}", f"--out={out}", *settings]


def test_a_killed_run_leaves_no_half_cohort_and_goes_on(config, source, tmp_path, finished):
    out, partial = tmp_path / "out", tmp_path / ".out-partial"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(arguments(config, source, out), env=environment, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not list(partial.glob("[!.]*.npz")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = len(list(partial.glob("[!.]*.npz")))
    assert process.returncode == -signal.SIGKILL and kept >= 1 and not out.exists()
    prepare.prepare(config, out, source)
    assert len(finished) == len(PATIENTS) - kept
    assert sorted(path.name for path in tmp_path.iterdir()) == ["download", "out"]
    prepare.prepare(config, tmp_path / "fresh", source)
    # Also says that the bytes are the same in another process, for protobuf orders fields by chance.
    assert cohorts.fingerprint(out) == cohorts.fingerprint(tmp_path / "fresh")
    assert json.loads((out / "qc.json").read_text()) == json.loads((tmp_path / "fresh" / "qc.json").read_text())


def test_the_launcher_takes_workers_and_changes_nothing(config, source, tmp_path):
    command = [*arguments(config, source, tmp_path / "two"), "--workers=2"]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    prepare.prepare(config, tmp_path / "one", source)
    assert cohorts.fingerprint(tmp_path / "two") == cohorts.fingerprint(tmp_path / "one")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["download", "one", "two"]


def test_only_what_has_changed_is_read_again(config, source, tmp_path, finished, monkeypatch):
    def fail(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(cohorts.qc, "write_qc", fail)
        prepare.prepare(config, tmp_path / "out", source)
    assert finished == list(PATIENTS) and not (tmp_path / "out").exists()
    changed = source / "P4" / "ct" / "1-003.dcm"
    os.utime(changed, ns=(0, 0))
    damaged = sorted((tmp_path / ".out-partial").glob("*.npz"))
    finished.clear()
    prepare.prepare(config, tmp_path / "out", source)
    assert len(damaged) == 5 and finished == ["P4"]
    finished.clear()
    prepare.prepare(config, tmp_path / "out", source)
    assert finished == []


class Fatal:
    """Ends the process that unpickles it."""

    def __reduce__(self):
        return os._exit, (9,)


def test_a_worker_that_dies_is_told():
    with pytest.raises(InputError, match="--workers: 2; one of the processes was ended from outside"):
        prepare._finish_locally([Fatal(), Fatal()], 2)


def test_an_error_in_a_worker_reaches_the_user(tmp_path):
    with pytest.raises(AttributeError, match="task"):
        prepare._finish_locally([tmp_path, tmp_path], 2)


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"workers": 0}, "--workers: 0"),
        ({"engine": "cluster"}, "--engine: 'cluster'"),
        ({"beam_flags": ["--runner=X"]}, "--beam: --runner=X; expected only with"),
        ({"source": None}, "--source: not given"),
    ],
)
def test_what_cannot_work_is_told_first(config, tmp_path, changes, told):
    with pytest.raises(InputError, match=told):
        prepare.prepare(config, tmp_path / "out", **({"source": tmp_path} | changes))


def test_a_phantom_takes_no_workers(make_config, tmp_path):
    with pytest.raises(InputError, match="given for a phantom"):
        prepare.prepare(make_config(), tmp_path / "out", workers=2)


def test_a_folder_in_use_is_told_before_the_work(config, source, tmp_path, finished):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not an empty folder"):
        prepare.prepare(config, tmp_path / "out", source)
    assert finished == []


def test_without_beam_its_extra_is_named(config, source, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.setitem(sys.modules, "apache_beam.options.pipeline_options", None)
    with pytest.raises(InputError, match=r"install the extra radiogenomics\[beam\]"):
        prepare.prepare(config, tmp_path / "out", source, engine="beam")
    assert not (tmp_path / "out").exists()


def test_beam_builds_the_same_cohort(config, source, tmp_path):
    pytest.importorskip("apache_beam", reason="needs the extra [beam]")
    prepare.prepare(config, tmp_path / "beam", source, engine="beam")
    prepare.prepare(config, tmp_path / "local", source)
    assert cohorts.fingerprint(tmp_path / "beam") == cohorts.fingerprint(tmp_path / "local")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beam", "download", "local"]


def stop_before_writing(config, source, out):
    """A run that has read everybody and ends before the cohort is there."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(prepare.files, "assemble", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        prepare.prepare(config, out, source)


def test_settings_that_no_image_depends_on_read_nobody_again(config, source, tmp_path, finished):
    stop_before_writing(config, source, tmp_path / "out")
    assert finished == list(PATIENTS)
    config.data.stratify, config.files.batch_permutations, config.data.window_hu = ("site",), 49, (-900.0, 400.0)
    finished.clear()
    stop_before_writing(config, source, tmp_path / "out")
    assert finished == []
    config.files.nodule_margin_mm += 1.0
    prepare.prepare(config, tmp_path / "out", source)
    assert finished == list(PATIENTS)


def test_images_are_read_by_the_digested_settings_alone(config, source):
    task = files.make_plan(config, source).tasks[0]
    sections = {name: {key: config[name][key] for key in keys} for name, keys in parts.SETTINGS.items()}
    alone = ml_collections.ConfigDict({"seed": config.seed} | sections)
    row, found = images.read_patient(images.Task(task.patient, task.headers, None, True, alone))
    wanted_row, wanted = images.read_patient(task)
    assert row["kept"] and row == wanted_row
    np.testing.assert_equal(found, wanted)


@pytest.mark.parametrize("folds, told", ((1, "data.folds: 1; expected"), (3, "data.folds: 3 folds of 5 patients")))
def test_folds_that_cannot_be_are_told_before_the_work(config, source, tmp_path, finished, folds, told):
    config.data.folds = folds
    with pytest.raises(InputError, match=told):
        prepare.prepare(config, tmp_path / "out", source)
    assert finished == [] and [path.name for path in tmp_path.iterdir()] == ["download"]


def test_patients_without_expression_count_for_no_fold(config, source, tmp_path, finished):
    table = source / "GSE103584_RNAseq.txt"
    pd.read_csv(table, sep="\t", index_col=0).drop(columns=["P4", "P5"]).to_csv(table, sep="\t")
    with pytest.raises(InputError, match="2 folds of 3 patients"):
        prepare.prepare(config, tmp_path / "out", source)
    assert finished == []


def test_a_second_run_on_the_same_folder_is_told(config, source, tmp_path, monkeypatch):
    second, finish = [], parts.finish_job

    def run_again(job):
        with pytest.raises(InputError, match=f"out: being made by another process \\(process {os.getpid()} on "):
            prepare.prepare(config, tmp_path / "out", source)
        second.append(job.task.patient)
        finish(job)

    monkeypatch.setattr(parts, "finish_job", run_again)
    prepare.prepare(config, tmp_path / "out", source)
    assert second == list(PATIENTS) and len(cohorts.load_cohort(tmp_path / "out").patients) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["download", "out"]


def test_a_dead_process_holds_nothing_and_its_folder_is_removed(config, source, tmp_path, finished):
    partial = tmp_path / ".out-partial"
    partial.mkdir()
    (partial / "lock").write_text("process 1 on this machine")
    prepare.prepare(config, tmp_path / "out", source)
    assert finished == list(PATIENTS) and not partial.exists()
    partial.mkdir()
    (partial / "lock").write_text("process 1 on this machine")
    prepare.prepare(config, tmp_path / "out", source)
    assert finished == list(PATIENTS) and not partial.exists()


def test_a_cohort_that_landed_meanwhile_is_kept(config, source, tmp_path, finished, monkeypatch):
    check = prepare._check

    def land(*given):
        check(*given)
        (tmp_path / "out").mkdir()
        (tmp_path / "out" / "split.json").write_text("{}")

    monkeypatch.setattr(prepare, "_check", land)
    with pytest.raises(InputError, match="not an empty folder"):
        prepare.prepare(config, tmp_path / "out", source)
    assert finished == [] and (tmp_path / "out" / "split.json").read_text() == "{}"


def test_no_path_of_the_machine_is_written(make_config, tmp_path):
    private = tmp_path / "Jane_Doe"
    private.mkdir()
    (private / "sets.gmt").write_text("SET\tabout\tA\tB\n")
    config = make_config()
    config.genes.gene_sets = str(private / "sets.gmt")
    prepare.prepare(config, tmp_path / "out")
    written = (tmp_path / "out" / "config.json").read_text()
    digest = hashlib.sha256((private / "sets.gmt").read_bytes()).hexdigest()
    assert json.loads(written)["config"]["genes"]["gene_sets"] == f"sets.gmt sha256:{digest}"
    assert "Jane_Doe" not in written and config.genes.gene_sets == str(private / "sets.gmt")
    prepare.prepare(config, tmp_path / "out")
    (private / "sets.gmt").write_text("SET\tabout\tA\tC\n")
    with pytest.raises(InputError, match="other settings"):
        prepare.prepare(config, tmp_path / "out")


@pytest.mark.parametrize(
    "written, kept", (("tables/m.csv", True), ("../Jane/m.csv", False), ("/home/Jane/m.csv", False))
)
def test_a_manifest_outside_of_the_source_is_told_by_its_name(config, tmp_path, written, kept):
    config.files.manifest = written
    told = prepare._describe_settings(config, tmp_path)["config"]["files"]["manifest"]
    assert told == written if kept else told.startswith("m.csv sha256:") and "Jane" not in told
