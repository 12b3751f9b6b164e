"""A pool's tiers on its page: where its traffic goes, and moving it by hand."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from unfold.dataclasses import ActionDialog
from unfold.decorators import action, display
from unfold.widgets import UnfoldAdminSelectWidget

from pool.admin.badges import GREEN, GREY, ORANGE, RED, badge
from pool.admin.dialogs import RowForm, done, question, refusals_told
from pool.admin.health import REDIS_AWAY
from pool.choices import TierMode
from pool.failover.live import LiveTraffic, Traffic
from pool.history.pools import pool_health
from pool.models import Pool
from pool.snapshot import PoolSpec, TierPolicy
from pool.tiers import Share, places_of, share_out, well_enough
from pool.words import counted

TRAFFIC = "the traffic"


class FailOverForm(RowForm):
    """Which tier; says of each how many of its backends are well."""

    model = Pool
    tier = forms.TypedChoiceField(coerce=int, widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shares = sorted(_traffic(self.row).shares)
        self.fields["tier"].choices = [
            (share.tier, f"Tier {share.tier}: {share.healthy} of {share.total} backends well")
            for share in shares[1:]
        ]
        if len(shares) < 2:
            self.fields["tier"].help_text = "All backends of this pool are in one tier."


class FailoverActions:
    """For the pools' screen."""

    failover_menu = {
        "title": "Failover",
        "icon": "swap_vert",
        "items": ["fail_over", "fail_back"],
    }

    @display(description="Traffic now")
    def traffic_now(self, pool: Pool) -> str:
        if pool.pk is None:
            return badge("not saved yet", GREY)
        live = LiveTraffic.read()
        if live.error:
            return badge(REDIS_AWAY, GREY, live.error)
        return format_html("{} <p>{}</p>", _badges(live.of(pool)), pool_health(pool, live).words)

    @action(
        description="Fail over",
        icon="arrow_upward",
        permissions=["change"],
        dialog=ActionDialog(
            title="Move the traffic to another tier?",
            description="All edges send new requests to this tier from now on, and to lower tiers "
            "only when nobody in it or above can serve. It stays so, whoever recovers, until "
            "somebody fails back. Requests under way end where they are. Clients that stick to a "
            "backend stay with it, unless it is put into maintenance.",
            form_class=FailOverForm,
            form_submit_text="Fail over",
        ),
    )
    def fail_over(self, request: HttpRequest, form: FailOverForm, object_id: str) -> HttpResponse:
        return _steer(request, form.row, Pool.fail_over, to=form.cleaned_data["tier"])

    @action(
        description="Fail back",
        icon="arrow_downward",
        permissions=["change"],
        dialog=question(
            "Fail back",
            "New requests go to the lowest tier that has a healthy backend: at once, or as soon "
            "as there is one.",
            Pool,
            TRAFFIC,
        ),
    )
    def fail_back(self, request: HttpRequest, form: RowForm, object_id: str) -> HttpResponse:
        return _steer(request, form.row, Pool.fail_back)


def _steer(request: HttpRequest, pool: Pool, verb: Any, **options: Any) -> HttpResponse:
    with refusals_told(request):
        verb(pool, by=request.user, **options)
        messages.success(request, f"{pool}: {_in_words(_traffic(pool))}.")
    return done(request, "admin:pool_pool_change", pool.pk)


def advise(pool: PoolSpec) -> str:
    """What the settings come to with the backends that the pool has."""
    shares = share_out(places_of(pool.backends, ()), pool.tiers)
    return " ".join(_arithmetic(pool.tiers, share, alone=len(shares) == 1) for share in shares)


def _arithmetic(policy: TierPolicy, share: Share, *, alone: bool) -> str:
    total = share.total
    whole, calm = well_enough(total, policy)
    said = []
    if policy.mode is TierMode.SPILL_OVER and not alone:
        said.append(f"spills over when {_fewer(whole)} healthy")
    if not policy.panic_threshold:
        said.append("no panic")
    elif alone:
        said.append(f"panic when {_fewer(calm)} healthy")
    else:
        said.append(f"panic when {_fewer(calm)} healthy and the tiers do not make up for it")
    return f"Tier {share.tier} with {counted(total, 'backend')}: {', '.join(said)}."


def _fewer(than: int) -> str:
    return "none is" if than == 1 else f"fewer than {than} are"


def _traffic(pool: Pool) -> Traffic:
    return LiveTraffic.read().of(pool)


def _in_words(traffic: Traffic) -> str:
    tiers = ", ".join(map(str, traffic.serving))
    return f"tier {tiers} serves" if tiers else "no backend is well"


def _badges(traffic: Traffic) -> str:
    """A label for each tier with traffic, and what keeps it from the others."""
    labels = [_tier_badge(share) for share in sorted(traffic.shares) if share.percent]
    if not labels:
        return badge("nobody can serve", RED, "Requests are answered with 503.")
    if traffic.state.floor:
        why = "by an operator" if traffic.state.manual else "until failback"
        labels.append(badge(f"held from tier {traffic.state.floor} on, {why}", ORANGE))
    return format_html_join(" ", "{}", ((label,) for label in labels))


def _tier_badge(share: Share) -> str:
    text = f"tier {share.tier}: {share.percent} %, {share.healthy} of {share.total} well"
    if share.panic:
        return badge(f"{text}, panic", RED, "Unhealthy backends get traffic too.")
    return badge(text, GREEN if share.healthy == share.total else ORANGE)
