import numpy as np
import pandas as pd
import pytest
import SimpleITK

import radiogenomics
from radiogenomics.analysis import explore, synthesis_files
from radiogenomics.errors import InputError


def test_known_patients_are_synthesised_by_the_fold_that_never_saw_them(run):
    patients = [run.cohort.patients[0], run.cohort.patients[5]]
    dataset = explore.synthesise(run, patients, backgrounds=2, noises=3)
    assert dataset["image_hu"].dims == ("patient", "draw", "y", "x")
    assert dataset["image_hu"].shape == (2, 6, 16, 16)
    assert dataset["mask"].min() >= 0 and dataset["mask"].max() <= 1
    again = explore.synthesise(run, patients[1:], backgrounds=2, noises=3)
    np.testing.assert_array_equal(again["image_hu"][0], dataset["image_hu"][1])


def test_new_patients_and_own_backgrounds(run):
    genes = list(run.cohort.genes)
    expression = pd.DataFrame(run.cohort.expression[:2], columns=genes, index=["new 1", "new 2"])
    background_hu = run.cohort.backgrounds.image_hu[:1]
    dataset = explore.synthesise(run, expression=expression, background_hu=background_hu)
    outside = dataset["mask"].values[:, 0] == 0
    unchanged = np.clip(background_hu[0], *run.config.data.window_hu)
    for patient in range(2):
        difference = dataset["image_hu"].values[patient, 0] - unchanged
        assert np.abs(difference[outside[patient]]).max(initial=0) < 0.01
    with pytest.raises(InputError, match=f"gene '{genes[3]}' is missing"):
        explore.synthesise(run, expression=expression.drop(columns=genes[3]))
    with pytest.raises(InputError, match="background_hu: shape"):
        explore.synthesise(run, expression=expression, background_hu=background_hu[:, 1:])


def test_pixel_map_is_the_slope_of_the_synthesised_image(run):
    """A finite difference along one gene agrees with the Jacobian column."""
    patient, gene = run.cohort.patients[0], run.cohort.genes[2]
    derivative = explore.pixel_map(run, [gene], patients=[patient])
    row = run.cohort.indices([patient])[0]
    fold = run.fold_of(row)
    draws = explore.synthesis.make_draws(run, fold, 2, 2)
    step = 0.02 * fold.transform.loadings[2]
    high, low = (
        explore.synthesis.images_of(run, fold, fold.components[row] + sign * step, draws)[0].mean(axis=0)
        for sign in (1, -1)
    )
    np.testing.assert_allclose(derivative[0], (high - low) / 0.04, atol=0.05 * np.abs(derivative).max() + 0.05)


def test_a_pathway_moves_its_genes_by_one_sd_of_their_mean(run):
    genes, patients = list(run.cohort.genes[:3]), [run.cohort.patients[row] for row in run.folds[0].held_out[:2]]
    apart = explore.pixel_map(run, genes, patients=patients)
    pathway = explore.pixel_map(run, sets={"three": genes}, patients=patients)
    fold = run.folds[0]
    sd = fold.genes[fold.training][:, :3].mean(axis=1).std()
    np.testing.assert_allclose(pathway[0], sd * apart.sum("item"), atol=1e-3 * float(abs(pathway).max()))


def test_a_metagene_moves_with_what_moves_with_it(run):
    """The derivative along the conditional mean, as the map's finite change for small steps."""
    fold = run.folds[1]
    patients = [run.cohort.patients[row] for row in fold.held_out[:3]]
    where = explore.pixel_map(run, metagenes="metagene 2", together=True, patients=patients)
    direction = explore.item_directions(fold, explore.gather_items(run, metagenes="metagene 2"), True)
    jacobians = [explore.patient_jacobian(run, name) for name in patients]
    expected = np.mean([one.image_by_code @ direction for one in jacobians], axis=0)
    np.testing.assert_allclose(where, np.moveaxis(expected, -1, 0), atol=1e-3 * np.abs(expected).max())


def test_the_map_is_the_mean_of_the_patients_maps(run, mapped):
    names, genes = ["mean_hu", "elongation"], list(run.cohort.genes[:4])
    dataset = explore.patient_map(run, genes=genes, features=names)
    assert dict(dataset.sizes) == {"patient": 24, "feature": 2, "gene": 4}
    for name in ("association", "sensitivity"):
        mean = mapped[name].sel(gene=genes, feature=names).transpose("feature", "gene")
        np.testing.assert_allclose(dataset[name].mean("patient"), mean, atol=1e-4 * float(abs(mean).max()))
    spread = mapped["heterogeneity"].sel(gene=genes, feature=names).transpose("feature", "gene")
    np.testing.assert_allclose(dataset["association"].std("patient"), spread, atol=1e-3 * float(spread.max()))


def test_an_unknown_gene_is_told_with_its_nearest_relatives(run):
    with pytest.raises(InputError, match="'M01G0' is not among the run's 200 genes; nearest symbols: M01G0"):
        explore.pixel_map(run, ["M01G0"])


def test_the_map_of_chosen_patients_genes_and_features(run):
    genes, patients = list(run.cohort.genes[4:7]), list(run.cohort.patients[:12])
    dataset = radiogenomics.analysis.radiogenomic_map(
        run, patients=patients, genes=genes, features=["mean_hu", "equivalent_diameter_mm"]
    )
    assert list(dataset["gene"].values) == genes
    assert list(dataset["feature"].values) == ["mean_hu", "equivalent_diameter_mm"]
    assert set(dataset["patient"].values) == set(patients)
    assert not dataset["supported"].any()
    with pytest.raises(InputError, match="at most two in any fold"):
        radiogenomics.analysis.radiogenomic_map(run, patients=patients[:1])


def test_nifti_files_carry_hounsfield_units_and_spacing(run, tmp_path):
    patient = run.cohort.patients[0]
    synthesis_files.write_synthesis(run, [patient], tmp_path / "out", "nifti", backgrounds=1, noises=1)
    image = SimpleITK.ReadImage(str(tmp_path / "out" / f"{patient}_00_image.nii.gz"))
    assert image.GetSpacing() == pytest.approx((2.0, 2.0, 2.0))
    assert SimpleITK.GetArrayFromImage(image).min() >= -1000
    with pytest.raises(InputError, match="already exists"):
        synthesis_files.write_synthesis(run, [patient], tmp_path / "out", "png", backgrounds=1, noises=1)
