"""Colours, fonts and encoding that all figures of a report share.

Colours are those of Okabe and Ito (2008) and the maps red-blue and cividis, all safe for colour-blind readers.
"""

import base64
import functools
import io

import matplotlib

BLUE, ORANGE, GREEN, RED, PURPLE, SKY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9"
FOLD_COLORS = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY, "#7A6A00", "#444444")
GREY, LIGHT_GREY, INK, PALE = "#9AA3AD", "#CBD1D8", "#1D2530", "#E5E9EF"
DIVERGING = "RdBu_r"
SEQUENTIAL = "cividis"
UNSUPPORTED = "not supported by held-out patients"
WIDTH = 11.25  # inches; a figure fills the page's 1080 pixels
STYLE = {
    "font.family": "DejaVu Sans", "font.size": 9, "axes.titlesize": 9.5, "axes.labelsize": 9, "axes.edgecolor": GREY,
    "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK, "ytick.color": INK, "axes.spines.top": False,
    "axes.spines.right": False, "legend.frameon": False, "figure.constrained_layout.use": True,
    "svg.hashsalt": "report", "savefig.dpi": 144,
    "text.parse_math": False,  # names from files may hold a dollar sign
}


def styled(draw):
    """Runs a drawing function in the report's style."""

    @functools.wraps(draw)
    def drawn(*arguments, **options):
        with matplotlib.rc_context(STYLE):
            return draw(*arguments, **options)

    return drawn


def encode(figure):
    """A Figure as an SVG data URI."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()


def fold_colors(count):
    """`count` colours, those of the folds in their order."""
    return [FOLD_COLORS[place % len(FOLD_COLORS)] for place in range(count)]
