"""How the cost of a training step grows with patients, genes, pixels and replicas: seconds, exponents, a figure."""

import functools
import logging

import jax
import matplotlib.figure
import matplotlib.ticker
import numpy as np

from radiogenomics import outputs
from radiogenomics.benchmark import training_speed

STEPS = 5  # timed at each size
PATIENTS = (16, 128, 1024)
GENES = (500, 5000, 50_000)  # each a component of its own: no front end
SIDES = (0.5, 1.0, 2.0)  # of a patch, times the configured one
REPLICAS = {"cpu": (1, 2, 4)}  # elsewhere ACCELERATOR_REPLICAS
ACCELERATOR_REPLICAS = (1, 4, 16)


def time_growth(config, out):
    """Rows of the speed table, one a quantity: the exponent fitted to seconds a step; writes `growth.png`.

    Not asked of the published architecture on a CPU, where it would take hours.
    """
    if config.model.architecture == "published" and jax.default_backend() == "cpu":
        logging.warning("growth of the step's cost: not measured for the published architecture on a CPU")
        return []
    series = {
        "patients": (PATIENTS, functools.partial(_step_seconds, config)),
        "genes": (GENES, lambda genes: _step_seconds(_change(config, _leave_front_end), genes=genes)),
        "pixels": ([round(times * config.data.size) ** config.data.ndim for times in SIDES],
                   functools.partial(_seconds_of_pixels, config)),
        "replicas": (_replica_counts(), lambda count: _step_seconds(config, replicas=count)),
    }
    measured = {name: (sizes, [seconds(size) for size in sizes]) for name, (sizes, seconds) in series.items()}
    _draw(measured, out / "growth.png")
    return [_describe(name, *points) for name, points in measured.items()]


def fit_exponent(sizes, seconds):
    """b of seconds ~ sizes^b: the slope of least squares between the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def _leave_front_end(config):
    """Every gene becomes a component; the response surface, which needs a front end, goes."""
    config.genes.front_end, config.model.response = "none", False


def _change(config, change):
    config = config.copy_and_resolve_references()
    change(config)
    return config


def _step_seconds(config, patients=training_speed.PATIENTS, genes=training_speed.GENES, replicas=1):
    problem = training_speed.make_problem(config, patients, genes)
    return training_speed.time_step(training_speed.compile_step(problem, replicas), STEPS).seconds


def _seconds_of_pixels(config, pixels):
    def resize(config):
        config.data.size = round(pixels ** (1.0 / config.data.ndim))

    return _step_seconds(_change(config, resize))


def _replica_counts():
    return REPLICAS.get(jax.default_backend(), ACCELERATOR_REPLICAS)


def _describe(name, sizes, seconds):
    points = ", ".join(f"{size:,}: {1e3 * each:.3g} ms" for size, each in zip(sizes, seconds, strict=True))
    ratio = f"; {sizes[-1] / sizes[0]:.0f} times as many take {seconds[-1] / seconds[0]:.2f} times as long"
    return {"what": f"step ~ {name}^b (b)", "value": fit_exponent(sizes, seconds), "note": points + ratio}


def _draw(measured, path):
    """Log-log plots, one a quantity, with the fitted line."""
    figure = matplotlib.figure.Figure(figsize=(12.0, 3.2), layout="constrained")
    panels = figure.subplots(1, len(measured), sharey=True)
    for axis, (name, (sizes, seconds)) in zip(panels, measured.items(), strict=True):
        slope, start = np.polyfit(np.log(sizes), np.log(seconds), 1)
        axis.loglog(sizes, 1e3 * np.array(seconds), "o", color="tab:blue")
        axis.loglog(sizes, 1e3 * np.exp(start) * np.array(sizes, float) ** slope, "--", color="tab:gray")
        axis.set(xlabel=name, title=f"step ~ {name}^{slope:.2f}")
        axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axis.minorticks_off()
    panels[0].set_ylabel("ms a step")
    panels[0].yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1.0, 2.0, 5.0)))  # of all panels
    panels[0].yaxis.set_major_formatter("{x:g}")
    with outputs.new_file(path) as aside:
        figure.savefig(aside, dpi=120, format="png")
