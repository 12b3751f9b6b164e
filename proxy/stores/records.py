"""What the control plane publishes in Redis, as all who follow it read it."""

from collections.abc import Mapping
from logging import Logger
from typing import Any, TypeVar

import msgspec

from pool import bus
from pool.bus import MALFORMED
from proxy.core.steps import Steps, in_parts

T = TypeVar("T")

CHANNELS = (
    bus.SNAPSHOT_CHANNEL,
    bus.HEALTH_CHANNEL,
    bus.FAILOVER_CHANNEL,
    bus.CIRCUIT_CHANNEL,
    bus.EJECTIONS_CHANNEL,
)


def read_records(
    records: Mapping[Any, Any], kind: type[T], what: str, log: Logger
) -> Steps[dict[int, T]]:
    """A hash's records by id, without those that another version has written in another shape.

    Of such a one `log` is told; `what` it is, of whom the id is: "health of backend".
    """
    decoder = msgspec.json.Decoder(kind)
    found: dict[int, T] = {}
    for part in in_parts(records.items()):
        for number, record in part:
            try:
                found[int(number)] = decoder.decode(record)
            except (ValueError, *MALFORMED) as error:
                log.error("the %s %r is malformed: %s", what, number, error)
        yield
    return found
