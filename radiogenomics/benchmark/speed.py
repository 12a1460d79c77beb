"""The speed suite: ratios measured in one run against a named rival, and absolute figures of this machine."""

import os

import pandas as pd

from radiogenomics import outputs, provenance
from radiogenomics.benchmark import feature_speed, growth, jacobian_speed, training_speed


def run_suite(config, out):
    """Times the Jacobian engine, training, synthesis and image features; writes `speed.csv`, `speed.json` and, of the
    growth of a step's cost, `growth.png`.

    Weights are random: speed does not depend on them. Returns the table.
    """
    load = os.getloadavg()[0]
    rows = training_speed.time_training(config) + jacobian_speed.time_jacobians(config)
    rows += growth.time_growth(config, out) + feature_speed.time_features()
    table = pd.DataFrame(rows)
    with outputs.new_file(out / "speed.csv") as aside:
        table.to_csv(aside, index=False, float_format="%.4g")
    outputs.write_json(out / "speed.json", {"rows": rows, "load": load} | provenance.describe(config, None))
    return table.set_index("what")
