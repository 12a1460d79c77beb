"""Agreement of maps whose agreement is known."""

import io

import numpy as np
import pandas as pd
import pytest
import xarray
from scipy import stats

from radiogenomics.analysis import comparison
from radiogenomics.errors import InputError

GENES = [f"G{number:03d}" for number in range(200)]


def make_map(seed, features=("size", "shape"), genes=GENES, blocks=10):
    """Random scores with the 20 best genes of each feature as hits; metagenes of neighbouring genes."""
    generator = np.random.default_rng(seed)
    score = generator.standard_normal((len(genes), len(features)))
    q = np.where(score >= np.sort(score, axis=0)[-20], 0.01, 0.5)
    dims = ("gene", "feature")
    loading = np.arange(len(genes))[:, None] * blocks // len(genes) == np.arange(blocks)
    return xarray.Dataset(
        {"score": (dims, score), "q": (dims, q), "association": (dims, generator.standard_normal(score.shape)),
         "metagene_loading": (("gene", "metagene"), loading / 20.0)},
        coords={"gene": list(genes), "feature": list(features)},
    )


def test_a_map_agrees_with_itself_and_not_with_its_mirror():
    one = make_map(0)
    same, mirrored = comparison.compare(one, one), comparison.compare(one, -one.assign(q=-one["q"]))
    for name in comparison.MEASURES:
        np.testing.assert_allclose(same[[name, f"{name}_low", f"{name}_high"]], 1.0)
    np.testing.assert_allclose(mirrored["rank_correlation"], -1.0)
    np.testing.assert_allclose(mirrored["sign_concordance"], 0.0)
    assert list(same["feature"]) == ["size", "shape", "all"] and list(same["hits_both"]) == [20, 20, 40]


def test_measures_are_those_computed_by_hand():
    a, b = make_map(0), make_map(1)
    table = comparison.compare(a, b).set_index("feature")
    for place, name in enumerate(("size", "shape")):
        x, y = a["score"].values[:, place], b["score"].values[:, place]
        hit_a, hit_b = a["q"].values[:, place] < 0.05, b["q"].values[:, place] < 0.05
        same = (a["association"].values[:, place] > 0) == (b["association"].values[:, place] > 0)
        row = table.loc[name]
        assert row["rank_correlation"] == pytest.approx(stats.spearmanr(x, y).statistic)
        assert row["jaccard"] == pytest.approx((hit_a & hit_b).sum() / (hit_a | hit_b).sum())
        assert row["sign_concordance"] == pytest.approx(same[hit_a | hit_b].mean())
        expected = stats.hypergeom(200, 20, 20).mean()
        assert row["jaccard_expected"] == pytest.approx(expected / (40 - expected))
        assert row["rank_correlation_low"] < row["rank_correlation"] < row["rank_correlation_high"]
    assert table.loc["all", "rank_correlation"] == pytest.approx(table["rank_correlation"].iloc[:2].mean())


def test_intervals_know_that_genes_of_a_metagene_move_together():
    """Blocks that agree or disagree as a whole: resampling single genes would give a far too narrow interval."""
    a, b = make_map(0), make_map(0)
    b["score"] = b["score"] * xarray.DataArray(np.repeat([1.0, -1.0] * 5, 20), dims="gene")
    singles = a.assign(metagene_loading=(("gene", "metagene"), np.eye(200)))
    width = [
        (table["rank_correlation_high"] - table["rank_correlation_low"])[0]
        for table in (comparison.compare(a, b), comparison.compare(singles, b))
    ]
    assert width[0] > 2 * width[1] > 0.0


def test_shared_genes_and_features_count_in_any_order():
    a, b = make_map(0), make_map(1, ("shape", "other"), GENES[::-1][:150])
    table = comparison.compare(a, b)
    assert list(table["feature"]) == ["shape", "all"] and set(table["genes"]) == {150}
    expected = stats.spearmanr(a["score"][50:, 1], b["score"][::-1, 0]).statistic
    assert table["rank_correlation"][0] == pytest.approx(expected)


def test_the_unit_of_the_intervals_is_stated_and_there_is_none_without_metagenes():
    a, b = make_map(0), make_map(1)
    assert "10 groups of genes" in comparison.compare(a, b).attrs["interval"]
    table = comparison.compare(a.drop_vars("metagene_loading"), b)
    assert table.attrs["interval"].startswith("none") and table["jaccard_low"].isna().all()
    assert table["jaccard"].notna().all()


def test_without_a_hit_there_is_no_overlap_and_unknown_values_are_left_out():
    a, b = make_map(0), make_map(1)
    a["q"][:], b["q"][:] = 0.9, 0.9
    a["score"][:5, 0] = np.nan
    a["supported"] = ("feature", [True, False])
    table = comparison.compare(a, b)
    assert table[["jaccard", "sign_concordance", "jaccard_low"]].isna().all(axis=None)
    expected = stats.spearmanr(a["score"][5:, 0], b["score"][5:, 0]).statistic
    assert table["rank_correlation"][0] == pytest.approx(expected)
    assert list(table["supported"][:2]) == [True, False]


def test_what_cannot_be_compared_is_told():
    one = make_map(0)
    with pytest.raises(InputError, match="no gene is in both .*'G000'.*'H0'"):
        comparison.compare(one, make_map(1, genes=["H0", "H1"] * 50))
    with pytest.raises(InputError, match="no feature is in both"):
        comparison.compare(one, make_map(1, ("x", "y")))
    with pytest.raises(InputError, match="second map: has no variable 'score'"):
        comparison.compare(one, one.drop_vars("score"))
    with pytest.raises(InputError, match="first map: has no variable 'gene' of genes by features"):
        comparison.compare(one, one, variable="gene")


def test_the_table_on_disk_states_its_terms(tmp_path):
    frame = comparison.compare(make_map(0), make_map(1))
    comparison.write_comparison(frame, tmp_path / "table.csv")
    text = (tmp_path / "table.csv").read_text()
    assert text.startswith("# variable: score\n") and "no value per patient and gene" in text
    read = pd.read_csv(io.StringIO(text), comment="#")
    np.testing.assert_allclose(read["rank_correlation"], frame["rank_correlation"], rtol=1e-3)
    shown = comparison.format_comparison(frame)
    assert "shape" in shown and "hypergeometric" in shown
