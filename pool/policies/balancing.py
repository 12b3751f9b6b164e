"""How a backend is chosen: algorithms' parameters, tiers, stickiness."""

from functools import partial

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q

from pool.choices import (
    DEFAULT_ALGORITHM,
    DEFAULT_HASH_KEY,
    CookieSecure,
    Failback,
    SameSite,
    StickyMode,
    TierMode,
    algorithm_names,
    choices_of,
)
from pool.fields import HashKeyField, TokenField
from pool.hash_key import BY_KEY
from pool.header_rules import why_not_end_to_end
from pool.policies.base import PolicyGroup, columns_named, count, number, seconds
from pool.snapshot import BalancingPolicy, StickyPolicy, TierPolicy

MAX_STICKY_LIFETIME = 400 * 24 * 3600  # RFC 6265bis: what browsers cut it to


def algorithm_choices() -> list[tuple[str, str]]:
    return choices_of(algorithm_names())


class BalancingPolicyFields(models.Model):
    """What algorithms go by, beside weights."""

    hash_key = HashKeyField(
        max_length=120,
        default=DEFAULT_HASH_KEY,
        help_text="What ring hash and Maglev tell clients apart by: client_ip, path, header:NAME, "
        "cookie:NAME or query:NAME. Default: client_ip.",
    )
    hash_fallback = models.CharField(
        "algorithm without a key",
        max_length=100,
        default=DEFAULT_ALGORITHM,
        choices=algorithm_choices,
        help_text="How a backend is chosen for a request that has no such header, cookie or "
        "parameter. Default: weighted round robin.",
        error_messages={"invalid_choice": "%(value)r is not an installed algorithm."},
    )
    bounded_load = number(
        1.25,
        0,
        100,
        "Ring hash: how many times its fair share of the requests in flight a backend may have "
        "before the next one on the ring is taken; 1 to 100, 0 is any.",
    )
    slow_start = seconds(
        0.0,
        0,
        3600,
        "Seconds in which a backend that has become healthy grows to its full weight; 0 is at "
        "once.",
    )
    slow_start_min = count(10, 1, 100, "Percent of its weight that a slow start begins with.")
    slow_start_aggression = number(
        1.0,
        0.1,
        10,
        "1 grows steadily; more grows fast at first and less grows fast at the end, 0.1 to 10.",
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        factor = self.bounded_load
        if isinstance(factor, float) and 0 < factor < 1:
            raise ValidationError(
                {"bounded_load": "Give 1 or more: below 1 not all requests would find a place."}
            )
        if self.hash_fallback in BY_KEY:
            raise ValidationError(
                {
                    "hash_fallback": f"{self.hash_fallback} needs a key itself: all requests "
                    "without one would go to one backend. Choose an algorithm that needs none."
                }
            )


class TierPolicyFields(models.Model):
    """Who serves when the primaries cannot."""

    tier_mode = models.CharField(
        "use of backups",
        max_length=20,
        default=TierMode.STRICT.value,
        choices=partial(choices_of, TierMode),
        help_text="Strict: the next tier serves when no backend of the lower ones is left. Spill "
        "over: it takes a growing share as they fail. Default: strict.",
    )
    tier_overprovisioning = count(
        140,
        100,
        1000,
        "Spill over: percent; 140 means that a tier serves everything until less than "
        "1/1.4 = 72 % of it is healthy.",
    )
    panic_threshold = count(
        50,
        0,
        100,
        "Percent. When fewer of the backends are healthy, unhealthy ones get traffic too, so that "
        "the last ones are not overrun; 0 is never.",
    )
    failback = models.CharField(
        max_length=20,
        default=Failback.AUTOMATIC.value,
        choices=partial(choices_of, Failback),
        help_text="Whether traffic returns by itself when a lower tier can serve again, or waits "
        "for an operator. Default: automatic.",
    )
    failback_delay = seconds(
        0.0, 0, 86400, "Seconds for which a lower tier has to be well before traffic returns."
    )

    class Meta:
        abstract = True


class StickyPolicyFields(models.Model):
    """Sending a client to the backend that it was sent to before."""

    sticky_mode = models.CharField(
        "stickiness",
        max_length=20,
        default=StickyMode.OFF.value,
        choices=partial(choices_of, StickyMode),
        help_text="Cookie: the edge sets one. App cookie, header: one that the backends set; the "
        "edge puts a mark before its value and takes it off again. Default: off.",
    )
    sticky_name = TokenField(
        "cookie or header",
        max_length=100,
        default="lb",
        help_text="Name of that cookie or header field, for example JSESSIONID. Default: lb.",
    )
    sticky_lifetime = models.PositiveIntegerField(
        "cookie lifetime",
        default=0,
        validators=[MaxValueValidator(MAX_STICKY_LIFETIME)],
        help_text="Seconds, up to 400 days; 0 is until the browser is closed. Default: 0.",
    )
    sticky_same_site = models.CharField(
        "SameSite",
        max_length=10,
        default=SameSite.LAX.value,
        choices=partial(choices_of, SameSite),
        help_text="Whether other sites' pages send the cookie along. None needs Secure. "
        "Default: Lax.",
    )
    sticky_secure = models.CharField(
        "Secure",
        max_length=10,
        default=CookieSecure.AUTO.value,
        choices=partial(choices_of, CookieSecure),
        help_text="Whether the cookie is for https only. Auto: where the client came over https. "
        "Default: auto.",
    )
    sticky_http_only = models.BooleanField(
        "HttpOnly", default=True, help_text="Hide the cookie from scripts. Default: yes."
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        super().clean()
        mode = self.sticky_mode
        if mode == StickyMode.HEADER:
            self._check_header()
        elif mode == StickyMode.COOKIE:
            self._check_cookie_prefix()
        if self.sticky_same_site == SameSite.NONE and self.sticky_secure == CookieSecure.NEVER:
            raise ValidationError(
                {"sticky_secure": "Browsers refuse SameSite=None without Secure; choose always."}
            )

    def _check_header(self) -> None:
        name = self.sticky_name
        reason = why_not_end_to_end(name)
        if name.lower() in ("cookie", "set-cookie"):
            reason = "it holds all cookies; for one of them choose the stickiness App cookie"
        if reason:
            raise ValidationError(
                {
                    "sticky_name": f"{name} cannot be used: {reason}. Name the field in which the "
                    "backends issue their sessions, such as Mcp-Session-Id."
                }
            )

    def _check_cookie_prefix(self) -> None:
        # RFC 6265bis §4.1.3: browsers take cookies of these names only with Secure.
        prefixed = self.sticky_name.lower().startswith(("__secure-", "__host-"))
        if prefixed and self.sticky_secure != CookieSecure.ALWAYS:
            raise ValidationError(
                {
                    "sticky_secure": f"Browsers refuse {self.sticky_name} without Secure; choose "
                    "always, or another name."
                }
            )


BALANCING = PolicyGroup(
    BalancingPolicy,
    BalancingPolicyFields,
    {
        "hash_key": "hash_key",
        "fallback": "hash_fallback",
        "bounded_load": "bounded_load",
        "slow_start": "slow_start",
        "slow_start_min": "slow_start_min",
        "slow_start_aggression": "slow_start_aggression",
    },
    (Q(bounded_load=0) | Q(bounded_load__gte=1)) & ~Q(hash_key=""),
)
TIERS = PolicyGroup(
    TierPolicy,
    TierPolicyFields,
    {
        "mode": "tier_mode",
        "overprovisioning": "tier_overprovisioning",
        "panic_threshold": "panic_threshold",
        "failback": "failback",
        "failback_delay": "failback_delay",
    },
)
STICKY = PolicyGroup(
    StickyPolicy, StickyPolicyFields, columns_named("sticky_{}", StickyPolicy), ~Q(sticky_name="")
)
