"""How the differentiable face of the features ranks patches, against the exact one."""

import numpy as np
from scipy.stats import spearmanr

from radiogenomics.radiomics import batch_soft_features, exact_table, feature_names


def find_disagreements(images_hu, masks, spacing_mm, least=0.95):
    """{feature: Spearman correlation} of the 2-D features whose two faces correlate by less than `least`.

    Images and masks are [N, S, S]; patches whose mask nowhere reaches 0.5, and undefined values, do not count.
    """
    names = feature_names(2)
    kept = masks.max((1, 2)) >= 0.5
    soft = np.asarray(batch_soft_features(images_hu, masks, spacing_mm, names))
    exact, _ = exact_table(images_hu, masks >= 0.5, spacing_mm, names, range(len(masks)))
    agreement = {
        name: spearmanr(soft[kept, column], exact[kept, column], nan_policy="omit").statistic
        for column, name in enumerate(names)
    }
    return {name: each for name, each in agreement.items() if not each >= least}  # NaN disagrees, too
