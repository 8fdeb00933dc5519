"""The real branches of Lambert W, and the two roots that the solvers take from them.

Letters: x the argument of W, w = W0(x), v = -W_-1(x), q = 1 + e x; y the normalised price of bandwidth and z = s/(u b)
the answer to it; k the normalised power limit and v (again) = s/(u b_min) the answer to it. All without unit.

Each function picks a region and evaluates one rational function there, in a variable that makes the branch smooth
(only the far tails take a step of a root search, one):

* t = sqrt(2 q) near the branch point x = -1/e: z = 1 + W0(x) = t - t^2/3 + ... is analytic in t, W0 is not in x;
* c = ln x where x is large, for W0: w = c - ln w;
* d = -1 - ln(-x), through r = sqrt(2 d), for W_-1: v = 1 + d + ln v, and ln v = r - r^2/6 + ... is analytic in r;
* l = ln(1/k) for the power limit near k = 1.

The rational function gives a correction to a leading term that is nearly exact, so that its own rounding counts only
in part. Numerator _P and denominator _Q, lowest power first, take the exact values at 17 Chebyshev points of an
interval; ``tests/test_lambertw.py`` computes them again from that definition, with 80 digits. Between the points they
are off by at most 0.06 ulp (units in the last place of the result). All are positive, so that nothing cancels, but the
first of ln w, which has its root at w = 1.
"""

import math
from typing import TypeAlias

from fimi_opt._jit import kernel

Coefficients: TypeAlias = tuple[float, float, float, float, float, float, float, float, float]

# fmt: off
# (t / z - 1) / t for t in [0, 2.75], Chebyshev points of ln(1 + t).
_BRANCH_P: Coefficients = (
    0.3333333333333333, 0.7724498049511216, 0.7094880211774652, 0.32965822521988875, 0.08207936783759899,
    0.010702836883713032, 0.0006633814387657248, 1.5670861559002232e-05, 7.887853035382232e-08,
)
_BRANCH_Q: Coefficients = (
    1.0, 2.4423494148533647, 2.389313295944622, 1.1990552525481455, 0.3286375824844244,
    0.04846652650195172, 0.003540521427763902, 0.00010588074006269047, 7.997243012231675e-07,
)
# (x / W0(x) - 1) / x for t in [0.5, 2.75], Chebyshev points of ln(1 + t).
_ORIGIN_P: Coefficients = (
    1.718281828459039, 3.0915006305389574, 2.1704739036373915, 0.7605430370985843, 0.14150275136786805,
    0.013760734501421498, 0.0006413814573476886, 1.1640619033832626e-05, 4.68553308863882e-08,
)
_ORIGIN_Q: Coefficients = (
    1.0, 2.3811580631147677, 2.2459399007037257, 1.072992439475158, 0.27598128078549367,
    0.037593975874709036, 0.0024941278808896282, 6.661438120820657e-05, 4.433175256532667e-07,
)
# ln w for c = w + ln w in [0, 3.75], Chebyshev points of ln(2 + c).
_LOG_W_LOW_P: Coefficients = (
    -0.5671432904097838, 0.18295643840025722, 0.2062316569012341, 0.12910356514931573, 0.03938294956174483,
    0.00835696440671313, 0.0010366679558349878, 7.383986248272952e-05, 1.2081722011437307e-06,
)
_LOG_W_LOW_Q: Coefficients = (
    1.0, 0.8025261211077566, 0.40939470478750045, 0.13109072469314445, 0.02965207323565981,
    0.00447197858755636, 0.0004307958703639894, 2.0637771939746438e-05, 2.041085101681546e-07,
)
# ln w for c in [3.75, 15], Chebyshev points of ln(1 + c).
_LOG_W_HIGH_P: Coefficients = (
    -0.5671179392606095, 0.160073506801841, 0.24697757319705485, 0.12443294157972351, 0.031227888725064476,
    0.004180998209699121, 0.0002220548437134507, 3.651105429867719e-06, 1.1685572851950384e-08,
)
_LOG_W_HIGH_Q: Coefficients = (
    1.0, 0.8427270482702258, 0.38300834815872103, 0.1041980597350453, 0.01743971605440553,
    0.0015760885400482383, 5.9463854806990514e-05, 7.150808740916654e-07, 1.575642693722141e-09,
)
# ln v / r for r = sqrt(2 (v - ln v - 1)) in [0, 5.5], Chebyshev points of ln(1 + r).
_LOG_V_P: Coefficients = (
    1.0, 1.4327220912259175, 0.8259352028076807, 0.2598890847478068, 0.0470978281356913,
    0.004734630515674666, 0.00021954486312614752, 3.1492227670752262e-06, 2.498741165048074e-09,
)
_LOG_V_Q: Coefficients = (
    1.0, 1.599388757892584, 1.0647222180120026, 0.3966190259564549, 0.08931756254656983,
    0.012118093568307278, 0.0009121896724811956, 3.0912670629560746e-05, 3.0220239519017007e-07,
)
# (2 l / v - 1) / l for l = ln((e^v - 1) / v) in [0, 2.5], Chebyshev points of ln(1 + l).
_POWER_P: Coefficients = (
    0.16666666666666666, 0.23451838359141938, 0.14394086347968377, 0.049573455275303276, 0.010513979426421637,
    0.0014200001444604471, 0.00012066043168624505, 6.18252929292383e-06, 4.446008955968187e-09,
)
_POWER_Q: Coefficients = (
    1.0, 1.573776968215183, 1.1037191200250778, 0.44734702273269367, 0.11554184065778536,
    0.019815699854269224, 0.002269140855559992, 0.00016846371855849235, 6.6014551231242735e-06,
)
# fmt: on

# Where the regions meet: each lies inside the intervals above.
_X_BRANCH = -0.3  # below it W0 < -0.48, and z - 1 costs no digit
_X_MINUS_BRANCH = -0.25  # below it d would be a small difference of logarithms
_X_LOG = 1.0
_Y_LOG = 3.75  # (y - 1)/e is 1 at 1 + e
_C_SPLIT = 3.75
_C_TAIL = 15.0
_R_TAIL = 5.5
_L_POWER = 2.5

# e is _E + _E_REST to 107 bits, and _E its upper plus its lower half, whose products with other halves are exact.
_E = 2.718281828459045
_E_UPPER = 2.7182818055152893
_E_LOWER = 2.2943755784154973e-08
_E_REST = 1.4456468917292502e-16
_SPLITTER = 134217729.0  # 2^27 + 1: Veltkamp's constant, cuts a double in two halves


@kernel
def w0(x: float) -> float:
    """Return the principal branch W0(x), the w >= -1 with w e^w = x, to 4 ulp.

    Parameters
    ----------
    x : float
        Argument in [-1/e, inf].

    Returns
    -------
    float
        W0(x); x itself for x = 0 (with its sign) and x = inf; NaN for x = NaN and for x < -1/e. The double nearest
        to -1/e, -0.36787944117144233, lies below -1/e by 1.2e-17: its value is NaN.

    Examples
    --------
    >>> w0(1.0)
    0.5671432904097838
    """
    if x < _X_BRANCH:
        q = _one_plus_ex(x)
        return _branch(2.0 * q) - 1.0 if q >= 0.0 else math.nan
    if x < _X_LOG:
        return _reduced(x, x, _ORIGIN_P, _ORIGIN_Q, math.sqrt(2.0 * _one_plus_ex(x)))
    c = math.log(x)
    return c - _log_w(c)


@kernel
def wm1(x: float) -> float:
    """Return the lower branch W_-1(x), the w <= -1 with w e^w = x, to 3 ulp.

    Parameters
    ----------
    x : float
        Argument in [-1/e, 0).

    Returns
    -------
    float
        W_-1(x); its limit -inf for x = 0; NaN for x = NaN, x > 0 and x < -1/e (as for `w0`).

    Examples
    --------
    >>> wm1(-0.1)
    -3.577152063957297
    """
    if x < _X_MINUS_BRANCH:
        q = _one_plus_ex(x)
        if not q >= 0.0:
            return math.nan
        d = -math.log1p(-q)
        return -1.0 - (d + _log_v(d))
    if x < 0.0:
        c = -math.log(-x)
        return -(c + _log_v(c - 1.0))
    return -math.inf if x == 0.0 else math.nan


@kernel
def upload_exponent(y: float) -> float:
    """Return the exponent at which one unit more of bandwidth saves as much as it costs, to 3 ulp.

    It is the root z >= 0 of e^z (z - 1) + 1 = y, z = 1 + W0((y - 1)/e): FIMI eqs. (33), (34) in closed form.
    Near y = 0, where (y - 1)/e would cancel, z = sqrt(2 y) - 2 y / 3 + ....

    Parameters
    ----------
    y : float
        Normalised price of bandwidth, w g / (N0 u), in [0, inf].

    Returns
    -------
    float
        z; 0 for y = 0, inf for y = inf; NaN for y = NaN and y < 0.

    Examples
    --------
    >>> upload_exponent(1.0)
    1.0
    """
    if y < _Y_LOG:
        return _branch(2.0 * y) if y >= 0.0 else math.nan
    c = math.log(y - 1.0)
    return c - _log_w(c - 1.0)


@kernel
def power_limited_exponent(k: float) -> float:
    """Return the exponent at which the upload needs all of the device's power, to 3 ulp.

    It is the root v > 0 of (e^v - 1)/v = 1/k, v = -W_-1(-k e^-k) - k: FIMI eq. (31), corrected: docs errata. Formed
    from ln(1/k) instead of k e^-k, it keeps its digits near k = 1, where v = 2 (1 - k) + ....

    Parameters
    ----------
    k : float
        Normalised power limit, N0 s / (g P_max u) with s = S ln 2, in [0, inf].

    Returns
    -------
    float
        v; 0 for k >= 1, where no bandwidth is enough; inf for k = 0; NaN for k = NaN and k < 0.

    Examples
    --------
    >>> power_limited_exponent(1.0 / math.expm1(1.0))
    1.0
    """
    if k >= 1.0:
        return 0.0
    if not k > 0.0:
        return math.inf if k == 0.0 else math.nan
    return _full_power(-math.log(k), k)


@kernel
def slack_exponent(k: float, slack: float) -> float:
    """Return :func:`power_limited_exponent` of k where slack = 1 - k, in (0, 1), is known better than k tells it.

    Examples
    --------
    >>> slack_exponent(1.0, 1e-20)
    2e-20
    """
    return _full_power(-math.log1p(-slack) if slack < 0.5 else -math.log(k), k)


@kernel
def _full_power(ell: float, k: float) -> float:
    """Root v of (e^v - 1)/v = 1/k from ell = ln(1/k) > 0."""
    if ell < _L_POWER:
        return _reduced(2.0 * ell, ell, _POWER_P, _POWER_Q, ell)
    # v + k = -W_-1(-k e^-k), of which 1 + d = ell + k.
    return ell + _log_v((ell - 1.0) + k)


@kernel
def _one_plus_ex(x: float) -> float:
    """Return 1 + e x to 1 ulp, however near x is to -1/e: Dekker's exact product, and e to 107 bits."""
    product = _E * x
    shifted = _SPLITTER * x
    upper = shifted - (shifted - x)
    lower = x - upper
    error = ((_E_UPPER * upper - product) + _E_UPPER * lower + _E_LOWER * upper) + _E_LOWER * lower
    return (1.0 + product) + (error + _E_REST * x)


@kernel
def _branch(twice_q: float) -> float:
    """Return z = 1 + W0(x) from 2 q = 2 (1 + e x) in [0, 7.5]."""
    t = math.sqrt(twice_q)
    return _reduced(t, t, _BRANCH_P, _BRANCH_Q, t)


@kernel
def _log_w(c: float) -> float:
    """Return ln w of the root w of w + ln w = c, for c >= 0."""
    if c < _C_SPLIT:
        return _ratio(_LOG_W_LOW_P, _LOG_W_LOW_Q, c)
    if c < _C_TAIL:
        return _ratio(_LOG_W_HIGH_P, _LOG_W_HIGH_Q, c)
    return _log_tail(c, -1.0)


@kernel
def _log_v(d: float) -> float:
    """Return ln v of the root v >= 1 of v - ln v = 1 + d, for d >= 0."""
    r = math.sqrt(2.0 * d)
    if r < _R_TAIL:
        return r * _ratio(_LOG_V_P, _LOG_V_Q, r)
    return _log_tail(1.0 + d, 1.0)


@kernel
def _log_tail(c: float, sign: float) -> float:
    """Return r = ln(c + sign r) for c >= 15: three terms of the asymptotic series (error < 1e-3), one step of order 4.

    The step is that of Fritsch, Shafer and Crowley (CACM algorithm 443, 1973) for W = -sign (c + sign r). At c = inf,
    where inf - inf would be NaN, r = 0: c + sign r is what the caller wants.
    """
    if c == math.inf:
        return 0.0
    log_c = math.log(c)
    r = log_c + log_c / c * (sign + (1.0 - 0.5 * log_c) / c)
    w = c + sign * r
    r = sign * (w - c)  # the r that belongs to the rounded w, exactly
    residual = r - math.log(w)
    slope = 1.0 - sign * w
    q = 2.0 * slope * (slope + 2.0 / 3.0 * residual)
    return r + sign * w * (residual / slope) * ((q - residual) / (q - 2.0 * residual))


@kernel
def _reduced(lead: float, u: float, p: Coefficients, q: Coefficients, x: float) -> float:
    """Return lead / (1 + u p(x) / q(x)), with one division."""
    change = u * _polynomial(p, x)
    return lead - lead * (change / (_polynomial(q, x) + change))


@kernel
def _ratio(p: Coefficients, q: Coefficients, x: float) -> float:
    """Return p(x) / q(x)."""
    return _polynomial(p, x) / _polynomial(q, x)


@kernel
def _polynomial(c: Coefficients, x: float) -> float:
    """Return sum of c_j x^j (in Estrin's order, half of Horner's latency)."""
    x2 = x * x
    x4 = x2 * x2
    upper = ((c[4] + c[5] * x) + (c[6] + c[7] * x) * x2) + c[8] * x4
    return ((c[0] + c[1] * x) + (c[2] + c[3] * x) * x2) + upper * x4
