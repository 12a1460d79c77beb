"""Numbers and names as people read them."""

import numpy as np

NAMES = {"mean": "mean attenuation", "sd": "SD of attenuation"}


def feature_label(name, unit=""):
    """A feature name for people: `texture_energy_hu`, "HU" becomes "texture energy (HU)"."""
    suffix = "_" + unit.lower().replace("/", "_per_")
    stem = name.removesuffix(suffix) if unit else name
    words = NAMES.get(stem, stem.replace("_", " "))
    return f"{words} ({unit})" if unit else words


def number(value, digits=3):
    """A number with `digits` significant digits and a true minus sign; a dash where there is none."""
    if value is None or not np.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    places = int(np.clip(digits - 1 - np.floor(np.log10(abs(value))), 0, 6))
    text = f"{value:,.{places}f}" if abs(value) >= 1e-4 else f"{value:.{digits - 1}e}"
    return text.replace("-", "−")


def two_digits(value):
    """A number with two significant digits; a dash where there is none."""
    return number(value, 2)


def correlation(value):
    """A correlation with two decimals; a dash where there is none."""
    if value is None or not np.isfinite(value):
        return "–"
    return f"{value:.2f}".replace("-", "−").replace("−0.00", "0.00")


def p_value(value):
    """A p or q value with two significant digits, three decimals at least where it is not small."""
    if value is None or not np.isfinite(value):
        return "–"
    if value >= 0.01:
        return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"
    # 9,999 permutations end at 0.0001, which single precision stores a little lower.
    return f"{value:.1g}" if value < 9.9e-5 else f"{value:.4f}"[:6].rstrip("0")


def share(value):
    """A share of 1 as a percentage, with a decimal where it is small; a dash where there is none."""
    if value is None or not np.isfinite(value):
        return "–"
    text = f"{100 * value:.0f} %" if abs(value) >= 0.1 or value == 0 else f"{100 * value:.1f} %"
    return text.replace("-", "−")


def with_unit(value, unit):
    """A number with two significant digits and its unit; a dash where there is none."""
    if value is None or not np.isfinite(value):
        return "–"
    return f"below 0.001 {unit}" if 0 < value < 1e-3 else f"{number(value, 2)} {unit}".rstrip()


def interval(low, high, form=correlation):
    """`low to high`, each written by `form`; empty text where there is none."""
    if low is None or high is None or not np.isfinite([low, high]).all():
        return ""
    return f"{form(low)} to {form(high)}"


def counted(count, noun):
    """A count with its noun in the right number: "1 gene", "2,000 genes"."""
    return f"{int(count):,} {noun}" + ("" if count == 1 else "s")
