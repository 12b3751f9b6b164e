"""How long a simulated backend works on a request: distributions, and how they are written.

`10ms` is always that. `uniform:1s` is anything up to that, `exponential:20ms` has that
mean, and `lognormal:20ms:0.5` has that median and that sigma of the logarithm, as
real backends have: a body around the median, and a long tail. All in nanoseconds.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from math import log
from random import Random

_UNITS = {"us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9, "m": 60e9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|µs|ms|s|m)")
_LONGEST = 3600e9
_MAX_SIGMA = 5.0
_FORMS = "write 10ms, uniform:MAX, exponential:MEAN or lognormal:MEDIAN:SIGMA"


class ServiceTime(ABC):
    @abstractmethod
    def draw(self, rng: Random) -> float:
        """Nanoseconds for one request."""


@dataclass(frozen=True)
class Fixed(ServiceTime):
    time: float

    def draw(self, rng: Random) -> float:
        return self.time


@dataclass(frozen=True)
class Uniform(ServiceTime):
    longest: float

    def draw(self, rng: Random) -> float:
        return rng.random() * self.longest


@dataclass(frozen=True)
class Exponential(ServiceTime):
    mean: float

    def draw(self, rng: Random) -> float:
        return rng.expovariate(1.0) * self.mean


@dataclass(frozen=True)
class Lognormal(ServiceTime):
    median: float
    sigma: float

    def draw(self, rng: Random) -> float:
        return rng.lognormvariate(log(self.median), self.sigma)


@dataclass(frozen=True)
class Measured(ServiceTime):
    """Any of the times that were seen, each as likely."""

    times: Sequence[float]

    def draw(self, rng: Random) -> float:
        return self.times[int(rng.random() * len(self.times))]


def parse_duration(text: str) -> float:
    """Nanoseconds; ValueError with the fix."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no duration: write a number and us, ms, s or m, as in 10ms")
    duration = float(match[1]) * _UNITS[match[2]]
    if duration > _LONGEST:
        raise ValueError(f"{text} is too long: an hour is the most")
    return duration


def parse_service_time(text: str) -> ServiceTime:
    """ValueError with the fix."""
    kind, *arguments = text.split(":")
    match kind, arguments:
        case _, []:
            return Fixed(parse_duration(text))
        case "uniform", [longest]:
            return Uniform(parse_duration(longest))
        case "exponential", [mean]:
            return Exponential(parse_duration(mean))
        case "lognormal", [median, sigma]:
            return _lognormal(median, sigma)
    raise ValueError(f"{text!r} is no latency: {_FORMS}")


def _lognormal(median: str, sigma: str) -> Lognormal:
    parsed = parse_duration(median)
    if not parsed:
        raise ValueError("the median of a lognormal latency must be more than 0")
    if not re.fullmatch(r"\d+(\.\d+)?", sigma) or float(sigma) > _MAX_SIGMA:
        raise ValueError(f"{sigma!r} is no sigma: write a number from 0 to {_MAX_SIGMA:g}")
    return Lognormal(parsed, float(sigma))
