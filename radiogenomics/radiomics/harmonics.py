"""Low frequencies on the circle and the sphere as monomials of the unit direction, for the lobes of a boundary.

Homogeneous polynomials of degree 3 and 4 restricted to the circle are the Fourier series up to frequency 4 (9 columns),
restricted to the sphere the spherical harmonics up to degree 4 (25 columns). The functions take numpy and jax arrays.
"""

import functools
import itertools
import math

DEGREES = (3, 4)
RIDGE = 1e-3  # of the columns' own scale: a boundary seen from few directions does not fix every column


def list_columns(ndim):
    """(exponents, scale) of each column; with the square root of its multinomial coefficient a ridge is isotropic."""
    exponents = [
        powers for degree in DEGREES for powers in itertools.product(range(degree + 1), repeat=ndim)
        if sum(powers) == degree
    ]
    return [
        (powers, math.sqrt(math.factorial(sum(powers)) / math.prod(math.factorial(power) for power in powers)))
        for powers in exponents
    ]


def explain_variance(directions, values, shares):
    """Variance of `values` [n] that low frequencies of unit `directions` [ndim, n] explain, weighted by `shares` [n].

    Least squares with a small ridge; the shares sum to 1. The products of columns are moments of the direction, fewer
    than there are products, so no matrix of columns is stored.
    """
    xp = directions.__array_namespace__()
    columns = list_columns(len(directions))
    powers = [_list_powers(axis, 2 * max(DEGREES)) for axis in directions]

    @functools.cache
    def moment(exponents):
        return (shares * _multiply(powers, exponents)).sum()

    gram = xp.stack([
        xp.stack([a * b * moment(tuple(map(sum, zip(left, right, strict=True)))) for right, b in columns])
        for left, a in columns
    ])
    weighted = shares * (values - (shares * values).sum())
    products = xp.stack([scale * (weighted * _multiply(powers, exponents)).sum() for exponents, scale in columns])
    ridged = gram + RIDGE * xp.eye(len(columns), dtype=gram.dtype)
    coefficients = xp.linalg.solve(ridged, products[:, None])[:, 0]
    return coefficients @ gram @ coefficients


def _list_powers(values, highest):
    """`values` to the powers 1..highest, by repeated products: a derivative of x ** n would be slower."""
    return list(itertools.accumulate([values] * highest, lambda power, value: power * value))


def _multiply(powers, exponents):
    """Product over axes of the axis to its exponent; `powers` holds the powers from 1 of each axis."""
    return math.prod(power[exponent - 1] for power, exponent in zip(powers, exponents, strict=True) if exponent)
