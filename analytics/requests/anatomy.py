"""What a request's time was spent on, in words and to scale."""

from dataclasses import dataclass

from analytics.requests.models import RequestRecord


@dataclass(frozen=True)
class Part:
    """`key` names its colour; `share` is of the whole, in percent."""

    key: str
    name: str
    about: str
    microseconds: int
    share: float

    @property
    def milliseconds(self) -> float:
        return self.microseconds / 1000


_PHASES = (
    ("queue", "Queue", "waited for a place, until the first try began"),
    ("retries", "Earlier tries", "lost with tries before the last one"),
    ("connect", "Connect", "until a connection was there and the request was sent"),
    ("first_byte", "First byte", "the backend's time until its response's head was there"),
)
_BODY = ("rest", "Body", "from the response's head to its last byte")
_WAIT = ("rest", "Until it ended", "waited in vain for what came next")


def parts_of(record: RequestRecord) -> list[Part]:
    """One after the other; those that took no time are left out, and so may be all."""
    times = {key: getattr(record, key) or 0 for key, *_ in _PHASES}
    times["rest"] = max(0, record.total - sum(times.values()))
    last = _WAIT if record.first_byte is None else _BODY
    whole = sum(times.values())
    return [
        Part(key, name, about, times[key], 100 * times[key] / whole)
        for key, name, about in (*_PHASES, last)
        if times[key]
    ]
