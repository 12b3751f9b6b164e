"""Regular expressions over what a backend answers: RE2, whose time is linear in the body.

With Python's own a pattern such as `(a+)+$` would keep a probe busy for ever, and
no timeout could end it. RE2 knows neither back-references nor look-around.
"""

from functools import lru_cache
from typing import Any

import re2

SEARCHED = 256 * 1024  # bytes of a body in which a pattern is looked for


@lru_cache(maxsize=1000)  # one a policy; without a bound, those of old ones would pile up
def compile_pattern(text: str) -> Any:
    """An object with `search(str)`; ValueError with the fix if `text` is no pattern."""
    options = re2.Options()
    options.log_errors = False  # to stderr, past our logging
    try:
        return re2.compile(text, options)
    except re2.error as error:
        problem = error.args[0]
        problem = problem.decode(errors="replace") if isinstance(problem, bytes) else problem
        raise ValueError(
            f"Correct the regular expression (RE2's syntax, without back-references and "
            f"look-around): {problem}."
        ) from None


def found(text: str, body: bytes) -> bool:
    """Whether the pattern `text` matches anywhere in the part of `body` that is searched."""
    return compile_pattern(text).search(body[:SEARCHED].decode(errors="replace")) is not None
