"""Batches of traffic as they come out of the stream: only what a database can take."""

import msgspec

from pool.bus import MALFORMED, TrafficBatch


class MalformedBatch(ValueError):
    """A message that no database should see."""


_decoder = msgspec.msgpack.Decoder(TrafficBatch)


def decode_batch(data: bytes) -> TrafficBatch:
    """The batch in `data`. The types of `pool.bus` are checked, but for what they cannot know."""
    try:
        batch = _decoder.decode(data)
    except MALFORMED as error:
        raise MalformedBatch(f"not a traffic batch: {error}") from error
    for name in _names_in(batch):
        if "\0" in name:  # which PostgreSQL has in no text
            raise MalformedBatch(f"not a traffic batch: a name is {name!r}")
    return batch


def _names_in(batch: TrafficBatch) -> set[str]:
    rows = [row for second in batch.seconds for row in second.rows]
    return {row.pool for row in rows} | {row.backend for row in rows}
