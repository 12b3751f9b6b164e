"""When a request is tried at another backend."""

from django.db import models

from pool.fields import StatusRangesField
from pool.policies.base import PolicyGroup, count, seconds
from pool.snapshot import RetryPolicy


class RetryPolicyFields(models.Model):
    """Trying another backend when one fails."""

    retry_attempts = count(
        3,
        1,
        10,
        "Tries of one request in all, each at another backend; 1 turns retries off.",
    )
    retry_budget = count(
        20,
        0,
        100,
        "Percent of a worker's active requests that may be hedges, or retries of what was sent, at "
        "a time; three always may.",
    )
    retry_on_connect_failure = models.BooleanField(
        "retry if no connection can be made",
        default=True,
        help_text="Any method: the request has not been sent. Default: yes.",
    )
    retry_on_reset = models.BooleanField(
        "retry after a reset",
        default=True,
        help_text="The backend has closed the connection before its response began. Like all that "
        "follows for GET, HEAD, OPTIONS, PUT and DELETE only (RFC 9110 section 9.2.2). "
        "Default: yes.",
    )
    retry_on_statuses = StatusRangesField(
        "retry on statuses",
        max_length=100,
        default="",
        blank=True,
        help_text="Answers to try again, as numbers and ranges, for example 502-504; the last one "
        "is passed on. Empty is none. Default: none.",
    )
    try_timeout = seconds(
        0.0, 0, 86400, "Seconds that each try has until its response begins; 0 is no limit."
    )
    hedge_after = seconds(
        0.0,
        0,
        3600,
        "Seconds without a response after which a GET or HEAD goes to a second backend as well, "
        "and the faster one answers; 0 is never.",
    )

    class Meta:
        abstract = True


RETRY = PolicyGroup(
    RetryPolicy,
    RetryPolicyFields,
    {
        "attempts": "retry_attempts",
        "on_connect_failure": "retry_on_connect_failure",
        "on_reset": "retry_on_reset",
        "on_statuses": "retry_on_statuses",
        "budget": "retry_budget",
        "try_timeout": "try_timeout",
        "hedge_after": "hedge_after",
    },
)
