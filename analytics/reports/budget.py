"""How much may go wrong under a target, and how much has. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """`allowed`, `used` and `left` are seconds, or requests; what is left is negative once the
    target is missed. `burn_rate`: 1 uses the budget up just when the span is over. `left_percent`
    and `burn_rate` are None where there was nothing to judge by.
    """

    met: bool
    allowed: float
    used: float
    left: float
    left_percent: float | None
    burn_rate: float | None


def budget(target: float, used: float, whole: float) -> Budget:
    """`target`: percent of `whole` that must be good, below 100; `used`: what was not."""
    allowed = whole * (100 - target) / 100
    left = allowed - used
    return Budget(
        met=left >= 0,
        allowed=round(allowed, 3),
        used=round(used, 3),
        left=round(left, 3),
        left_percent=round(100 * left / allowed, 3) if allowed else None,
        burn_rate=round(used / allowed, 3) if allowed else None,
    )
