"""The filters on the way up, as sections. Pure.

All are made for the rate of the device, and true to their analogue curve up to half of it or, for
the high pass, by the bilinear transform with the edge where it was wanted.
"""

from __future__ import annotations

from math import exp, pi, sqrt, tan

import numpy as np

from gateway.voice.processing.recursion import Section

DC_HZ = 20.0
"""-3 dB of the DC block."""

DE_EMPHASIS_HZ = 300.0
"""-3 dB of the de-emphasis, counted from its level below: from there on it falls by 6 dB an octave."""

UNITY_HZ = 1_000.0
"""Where de-emphasis changes nothing (TIA-603)."""

HIGH_PASS_RIPPLE_DB, HIGH_PASS_STOP_DB = 0.5, 40.0
HIGH_PASS_STOP = 0.847
"""At this part of the edge and below it, 40 dB less: at 300 Hz that is the highest CTCSS tone, 254.1."""

_ORDER = 6
_LANDEN_STEPS = 7


def dc_block(rate_hz: int) -> Section:
    """One pole and a zero at 0 Hz."""
    pole = exp(-2 * pi * DC_HZ / rate_hz)
    gain = (1 + pole) / 2
    return Section(gain, -gain, 0.0, -pole, 0.0)


def de_emphasis(rate_hz: int) -> Section:
    """One pole, with a zero that keeps the curve true up to half the rate."""
    pole = exp(-2 * pi * DE_EMPHASIS_HZ / rate_hz)
    top = 1 / sqrt(1 + (rate_hz / 2 / DE_EMPHASIS_HZ) ** 2)
    # b0 + b1 = 1 - pole: gain 1 at 0 Hz; b0 - b1 = top * (1 + pole): the curve's gain at the top.
    b0 = ((1 - pole) + top * (1 + pole)) / 2
    b1 = ((1 - pole) - top * (1 + pole)) / 2
    unity = sqrt(1 + (UNITY_HZ / DE_EMPHASIS_HZ) ** 2)
    return Section(b0 * unity, b1 * unity, 0.0, -pole, 0.0)


def high_pass(edge_hz: float, rate_hz: int) -> list[Section]:
    """An elliptic high pass of order 6: within 0.5 dB above the edge, 40 dB below `HIGH_PASS_STOP` of it.

    S. J. Orfanidis, Lecture Notes on Elliptic Filter Design (2006): zeros and poles from the
    Landen transformation.
    """
    ripple = sqrt(10 ** (HIGH_PASS_RIPPLE_DB / 10) - 1)
    stop = sqrt(10 ** (HIGH_PASS_STOP_DB / 10) - 1)
    k1 = ripple / stop
    places = [(2 * n - 1) / _ORDER for n in range(1, _ORDER // 2 + 1)]
    k = _degree(places, k1)
    moduli = _landen(k)
    v0 = -1j * _inverse_sn(1j / ripple, k1) / _ORDER
    warped = tan(pi * edge_hz / rate_hz)
    sections = []
    for place in places:
        zero = warped / (1j / (k * _cd(place, moduli)))
        pole = warped / (1j * _cd(place - 1j * v0, moduli))
        sections.append(_section((1 + zero) / (1 - zero), (1 + pole) / (1 - pole)))
    level = 10 ** (-HIGH_PASS_RIPPLE_DB / 20)
    first = sections[0]
    sections[0] = Section(first.b0 * level, first.b1 * level, first.b2 * level, first.a1, first.a2)
    return sections


def _section(zero: complex, pole: complex) -> Section:
    """A pair of zeros and of poles, with gain 1 at half the rate."""
    b1, b2 = -2 * zero.real, abs(zero) ** 2
    a1, a2 = -2 * pole.real, abs(pole) ** 2
    gain = (1 - a1 + a2) / (1 - b1 + b2)
    return Section(gain, gain * b1, gain * b2, a1, a2)


def _landen(k: float) -> list[float]:
    """The descending moduli."""
    moduli = []
    for _ in range(_LANDEN_STEPS):
        k = (k / (1 + sqrt(1 - k * k))) ** 2
        moduli.append(k)
    return moduli


def _cd(u: complex, moduli: list[float]) -> complex:
    """The elliptic function cd at ``u`` quarter periods."""
    w = complex(np.cos(u * pi / 2))
    for modulus in reversed(moduli):
        w = (1 + modulus) * w / (1 + modulus * w * w)
    return w


def _inverse_sn(w: complex, k: float) -> complex:
    """The ``u`` in quarter periods whose sn is ``w``."""
    for modulus in _landen(k):
        w = 2 * w / ((1 + modulus) * (1 + complex(np.sqrt(1 - (w * k) ** 2))))
        k = modulus
    return complex(np.arcsin(w)) * 2 / pi


def _degree(places: list[float], k1: float) -> float:
    """The selectivity that an order can have for a discrimination of ``k1``."""
    complement = sqrt(1 - k1 * k1)
    moduli = _landen(complement)
    product = 1.0
    for place in places:
        product *= _cd(1 - place, moduli).real  # sn(u) is cd(1 - u)
    return sqrt(1 - (complement**_ORDER * product**4) ** 2)
