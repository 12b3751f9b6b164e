"""Seconds of a long absence of Redis, folded into fewer and wider ones."""

from typing import Any

from pool.bus import TrafficRow, TrafficSecond
from proxy.engine.reading import add_times
from proxy.engine.row_names import RowName

_KINDS = ("queue", "connect", "first_byte", "total")  # of times
_UNSUMMED = {*RowName._fields, "in_flight_peak", *_KINDS}
_SUMMED = [name for name in TrafficRow.__struct_fields__ if name not in _UNSUMMED]


def fold(seconds: list[TrafficSecond]) -> list[TrafficSecond]:
    """Half as many: each two neighbours become the earlier one."""
    return [
        TrafficSecond(
            at=seconds[index].at,
            rows=_merge([row for second in seconds[index : index + 2] for row in second.rows]),
        )
        for index in range(0, len(seconds), 2)
    ]


def _merge(rows: list[TrafficRow]) -> list[TrafficRow]:
    merged: dict[RowName, TrafficRow] = {}
    for row in rows:
        name = RowName(row.route_id, row.pool_id, row.pool, row.backend_id, row.backend)
        known = merged.get(name)
        merged[name] = row if known is None else _sum(name, known, row)
    return list(merged.values())


def _sum(name: RowName, one: TrafficRow, other: TrafficRow) -> TrafficRow:
    fields: dict[str, Any] = name._asdict()
    for field in _SUMMED:
        fields[field] = getattr(one, field) + getattr(other, field)
    for kind in _KINDS:
        fields[kind] = add_times(getattr(one, kind), getattr(other, kind))
    return TrafficRow(in_flight_peak=max(one.in_flight_peak, other.in_flight_peak), **fields)
