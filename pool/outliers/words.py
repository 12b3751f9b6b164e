"""What the timeline is told of an ejection."""

from pool.bus import Happening
from pool.choices import EventKind, Severity
from pool.outliers.records import Ejection


def tell_ejected(backend_id: int, ejection: Ejection) -> Happening:
    lasts = ejection.until - ejection.since
    times = f", {ejection.times} times in a row now" if ejection.times > 1 else ""
    return Happening(
        kind=EventKind.EJECTED,
        at=ejection.since,
        backend_id=backend_id,
        message=f"ejected for {lasts:g} s{times} ({ejection.cause})",
        severity=Severity.WARNING,
        data={"cause": ejection.cause, "until": ejection.until, "times": ejection.times},
    )


def tell_back(backend_id: int, ejection: Ejection, why: str) -> Happening:
    return Happening(
        kind=EventKind.UNEJECTED,
        at=ejection.ended,
        backend_id=backend_id,
        message=f"back after {ejection.ended - ejection.since:.1f} s of ejection ({why})",
        data={"cause": why, "since": ejection.since, "times": ejection.times},
    )
