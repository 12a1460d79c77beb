import jax
import pytest

from radiogenomics import outputs
from radiogenomics.benchmark import training_runs


def test_vary_leaves_the_given_configuration_alone(config):
    varied = training_runs.vary(config, {"train.steps": 7, "seed": 3, "train.adversarial_weight": 0})
    assert (varied.train.steps, varied.seed, varied.train.adversarial_weight) == (7, 3, 0.0)
    assert (config.train.steps, config.seed, config.train.adversarial_weight) == (4, 0, 1.0)


def test_cost_is_the_median_of_the_intervals_and_the_sum_over_folds(tmp_path):
    # The first interval holds the compilation.
    lines = ['{"step": 10, "steps_per_second": 1.0}', '{"step": 20, "steps_per_second": 10.0}',
             '{"step": 25, "steps_per_second": 10.0}']
    for fold in ("fold_0", "fold_1"):
        outputs.write_text(tmp_path / fold / "metrics.jsonl", "\n".join(lines) + "\n")
    cost = training_runs.training_cost(tmp_path)
    assert cost == pytest.approx({"seconds_per_step": 0.1, "training_seconds": 2 * (10 + 1 + 0.5)})


def test_parameters_are_those_of_one_generator(run):
    size, noise = run.config.data.size, run.config.model.noise_size
    inputs = jax.numpy.zeros((1, size, size, 1)), run.folds[0].components[:1], jax.numpy.zeros((1, noise))
    params = jax.eval_shape(run.generator.init, jax.random.key(0), *inputs)["params"]
    assert training_runs.count_parameters(run) == sum(leaf.size for leaf in jax.tree.leaves(params))


def test_what_was_compiled_is_kept_and_the_setting_restored(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    seconds = jax.config.jax_persistent_cache_min_compile_time_secs
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_compilation_cache_dir", None)
    try:
        with training_runs.compiled_once(tmp_path / "compiled"):
            jax.jit(lambda x: x * 3.25 + 1.5)(1.0)
        assert jax.config.jax_compilation_cache_dir is None
        assert list((tmp_path / "compiled").iterdir())
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", seconds)


def test_a_cache_of_ones_own_is_left_alone(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path / "own"))
    try:
        with training_runs.compiled_once(tmp_path / "other"):
            assert jax.config.jax_compilation_cache_dir == str(tmp_path / "own")
        assert jax.config.jax_compilation_cache_dir == str(tmp_path / "own")
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_folder_names():
    assert training_runs.folder_name("published, MC-GAN's fusion") == "published-mc-gan-s-fusion"


def test_a_finished_run_is_only_loaded(config, cohort, workdir, monkeypatch):
    monkeypatch.setattr(training_runs.loop, "train", None)
    assert len(training_runs.train_run(config, cohort, workdir).folds) == 2
