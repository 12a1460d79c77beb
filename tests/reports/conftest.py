"""The made-up run on disk; its cohort and workdir stand for the trained ones of the other rooms."""

import pytest
from made_up import make_cohort, make_doses, make_evaluation, make_gallery, make_gene_code, make_map

from radiogenomics import outputs
from radiogenomics.data import cohort as cohorts


@pytest.fixture(scope="session")
def cohort_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "cohort"
    make_cohort(folder)
    return folder


@pytest.fixture
def workdir(tmp_path, cohort_folder):
    """A run folder with everything but training output."""
    folder = tmp_path / "run"
    config = {"data": {"size": 8, "extent_mm": 16.0, "window_hu": [-1000.0, 500.0]}, "train": {"steps": 4},
              "map": {"fdr": 0.05}}
    outputs.write_json(folder / "config.json", config)
    outputs.write_json(folder / "environment.json", {
        "packages": {"jax": "1.2.3"}, "git_revision": "abc123", "cohort": str(cohort_folder),
        "cohort_fingerprint": cohorts.fingerprint(cohort_folder),
    })
    outputs.write_json(folder / "evaluation.json", make_evaluation())
    make_gene_code().to_csv(folder / "gene_code.csv", index=False)
    make_map().to_netcdf(folder / "map.nc", engine="h5netcdf")
    make_doses().to_netcdf(folder / "dose_response.nc", engine="h5netcdf")
    make_gallery().to_netcdf(folder / "gallery.nc", engine="h5netcdf")
    return folder
