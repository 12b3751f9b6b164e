"""Who serves a pool: stand-ins, tiers, spill-over and panic. Arithmetic, the same in both planes.

A backend has a *place* in its tier. While it is out, its stand-in holds the place,
with the place's tier and weight. A place that the operator left to nobody (drained,
in maintenance, weight 0) does not count; one whose holder is not well counts as lost.

Tiers share the traffic as Envoy's priority levels do: a tier is whole while its healthy
part times the overprovisioning is 100 %; what it lacks goes to the next one. In strict
mode the first tier with anybody well has all of it. If all tiers together are not whole,
one with too few healthy holders is in *panic*: all of them are used, so that the last
ones are not overrun. Percentages are whole numbers, rounded down, as in Envoy.

No Django in here.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import NamedTuple

from pool.choices import AdminState, TierMode
from pool.snapshot import BackendSpec, TierPolicy


class Place(NamedTuple):
    tier: int
    weight: int
    holder: int  # id of the backend that has it now
    well: bool


class Share(NamedTuple):
    """What a tier has of the traffic. `places`: those that take part, in panic all of them."""

    tier: int
    percent: int
    panic: bool
    healthy: int
    total: int
    places: tuple[Place, ...]


_ACTIVE = AdminState.ACTIVE  # here: to find it in an enumeration takes longer than to compare it


@dataclass(frozen=True)
class _Tier:
    number: int
    places: tuple[Place, ...]
    healthy: int
    health: int  # percent, with overprovisioning


def accepts_new(spec: BackendSpec) -> bool:
    """Whether the operator lets it have clients that it did not have before."""
    return spec.admin_state is _ACTIVE and spec.weight > 0


def places_of(specs: Iterable[BackendSpec], out: Container[int]) -> list[Place]:
    """The places in the order of their backends; `out`: ids of those that cannot serve now."""
    specs = list(specs)
    stand_ins: dict[int, list[BackendSpec]] = {}
    for spec in specs:
        if spec.backup_of:
            stand_ins.setdefault(spec.backup_of, []).append(spec)
    places = []
    for spec in specs:
        if spec.backup_of or not spec.weight:
            continue
        if spec.id not in stand_ins:  # as most are: there may be thousands
            if accepts_new(spec):
                places.append(Place(spec.tier, spec.weight, spec.id, spec.id not in out))
            continue
        holders = [one for one in (spec, *stand_ins[spec.id]) if accepts_new(one)]
        if holders:
            well = next((one for one in holders if one.id not in out), None)
            holder = well or holders[0]
            places.append(Place(spec.tier, spec.weight, holder.id, well is not None))
    return places


def share_out(places: Iterable[Place], policy: TierPolicy, floor: int = 0) -> list[Share]:
    """All tiers in the order in which they serve.

    Those below `floor` come last, and have no share while one from the floor on has
    anybody well.
    """
    tiers = sorted(
        _tiers(places, policy.overprovisioning),
        key=lambda tier: (tier.number < floor, tier.number),
    )
    desperate = not any(tier.healthy for tier in tiers)
    whole = sum(tier.health for tier in tiers) >= 100
    able = [tier for tier in tiers if tier.healthy or (desperate and policy.panic_threshold)]
    able = [tier for tier in able if tier.number >= floor] or able
    percents = _percents(able, policy.mode, desperate=desperate)
    shares = []
    for tier in tiers:
        total = len(tier.places)
        lacking = tier.healthy * 100 < policy.panic_threshold * total
        panic = lacking and not whole and (desperate or tier.healthy > 0)
        taking_part = tuple(place for place in tier.places if panic or place.well)
        percent = percents.get(tier.number, 0)
        shares.append(Share(tier.number, percent, panic, tier.healthy, total, taking_part))
    return shares


def serving(shares: Iterable[Share]) -> tuple[int, ...]:
    """The tiers that have traffic and somebody well to serve it, in ascending order."""
    return tuple(sorted(share.tier for share in shares if share.percent and share.healthy))


def well_enough(total: int, policy: TierPolicy) -> tuple[int, int]:
    """Of `total` backends: how many make a whole tier, and with fewer than how many is panic."""
    return (
        -(-100 * total // policy.overprovisioning),
        -(-policy.panic_threshold * total // 100),
    )


def _tiers(places: Iterable[Place], overprovisioning: int) -> list[_Tier]:
    grouped: dict[int, list[Place]] = {}
    for place in places:
        grouped.setdefault(place.tier, []).append(place)
    tiers = []
    for number, members in grouped.items():
        healthy = sum(place.well for place in members)
        # Not 0 while anybody is well, of however many.
        health = min(100, max(1, overprovisioning * healthy // len(members))) if healthy else 0
        tiers.append(_Tier(number, tuple(members), healthy, health))
    return tiers


def _percents(able: list[_Tier], mode: TierMode, *, desperate: bool) -> dict[int, int]:
    """Of the traffic, for each tier that is able to serve; 100 altogether."""
    if mode is TierMode.STRICT or len(able) < 2:
        return {tier.number: 100 for tier in able[:1]}
    # Envoy: with nobody well anywhere, tiers count by their sizes.
    weights = [len(tier.places) if desperate else tier.health for tier in able]
    total = sum(weights) if desperate else min(100, sum(weights))
    ends = [min(100, end * 100 // total) for end in accumulate(weights, initial=0)]
    return {
        tier.number: end - start for tier, (start, end) in zip(able, pairwise(ends), strict=True)
    }
