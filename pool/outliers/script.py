"""Ejections in Redis: replaced only as they were read, told and announced in the same step."""

from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

import msgspec

from pool.bus import EJECTIONS_CHANNEL, EJECTIONS_KEY, EVENTS_STREAM, Happening
from pool.outliers.records import Ejections, EjectionsChange

KEYS = [EJECTIONS_KEY, EVENTS_STREAM]


@lru_cache
def source() -> str:
    return resources.files(__package__).joinpath("replace.lua").read_text()


def arguments(
    pool_id: int, before: bytes, after: Ejections, told: Sequence[Happening]
) -> list[bytes | int | str]:
    """`before`: the record as it was read, b"" for none."""
    change = EjectionsChange(pool_id=pool_id, ejections=after)
    return [
        pool_id,
        before,
        encode(after),
        EJECTIONS_CHANNEL,
        msgspec.json.encode(change),
        *(msgspec.json.encode(happening) for happening in told),
    ]


def encode(ejections: Ejections) -> bytes:
    return msgspec.json.encode(ejections) if ejections.by_id else b""
