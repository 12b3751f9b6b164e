"""Numbers and switches of the environment, for the control plane and for the edge.

What is malformed is refused with EnvError, which names the variable, what may stand there
and what does. A variable that is empty counts as not set, as it does for Docker Compose.
"""

from collections.abc import Callable
from typing import TypeVar

from environs import Env, EnvError

T = TypeVar("T")

env = Env()


def whole(variable: str, default: int, low: int) -> int:
    return _read(env.int, variable, default, f"a whole number from {low}", lambda one: one >= low)


def seconds(variable: str, default: float) -> float:
    return _read(env.float, variable, default, "a number of seconds above 0", lambda one: one > 0)


def between(variable: str, default: float, low: float, high: float) -> float:
    allowed = f"a number from {low:g} to {high:g}"
    return _read(env.float, variable, default, allowed, lambda one: low <= one <= high)


def texts(variable: str, default: list[str]) -> list[str]:
    """Between commas, without the spaces around them."""
    given = env.str(variable, "").split(",")
    return [text for part in given if (text := part.strip())] or default


def switch(variable: str, default: bool) -> bool:
    return _read(env.bool, variable, default, "true or false", lambda _: True)


def _read(
    read: Callable[[str], T], variable: str, default: T, allowed: str, fits: Callable[[T], bool]
) -> T:
    text = env.str(variable, "")
    if not text.strip():
        return default
    try:
        if fits(value := read(variable)):
            return value
    except EnvError:
        pass  # it is told like one that does not fit
    raise EnvError(f"{variable}: give {allowed}, not {text}")
