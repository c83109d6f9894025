"""The two distributions that gates reckon with, to about twelve digits: the beta and the binomial one."""

from math import exp, lgamma, log, log1p

STEPS_MAX = 10_000
PRECISION = 1e-14
TINY = 1e-300


def beta_cdf(at: float, a: float, b: float) -> float:
    """Answer how likely a value of Beta(a, b) is at most `at`. Example: `beta_cdf(0.5, 1, 1) == 0.5`."""
    if at <= 0.0:
        return 0.0
    if at >= 1.0:
        return 1.0
    # The fraction converges fast only on one side of the mean; the other one follows from it.
    if at > (a + 1) / (a + b + 2):
        return 1.0 - beta_cdf(1.0 - at, b, a)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(at) + b * log1p(-at)) / a
    return front * _fraction(at, a, b)


def binomial_above(hits: int, of: int, rate: float) -> float:
    """Answer how likely `hits` or more of so many are, each with a chance of `rate`.

    Example: `binomial_above(0, 5, 0.1) == 1`.
    """
    if hits <= 0:
        return 1.0
    if hits > of:
        return 0.0
    return beta_cdf(rate, hits, of - hits + 1)


def _fraction(at: float, a: float, b: float) -> float:
    """The continued fraction of the incomplete beta function, from its front on."""
    value = ratio = 1.0
    other = 0.0
    for step in range(STEPS_MAX):
        half = step // 2
        if step == 0:
            term = 1.0
        elif step % 2:
            term = -(a + half) * (a + b + half) * at / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * at / ((a + 2 * half - 1) * (a + 2 * half))
        other = 1.0 / _not_zero(1.0 + term * other)
        ratio = _not_zero(1.0 + term / ratio)
        value *= ratio * other
        if abs(1.0 - ratio * other) < PRECISION and step > 0:
            break
    return value - 1.0


def _not_zero(value: float) -> float:
    return value if abs(value) > TINY else TINY
