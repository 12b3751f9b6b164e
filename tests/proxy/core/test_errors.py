"""Each error carries its decision: status, whose fault, whether anything was sent."""

from collections.abc import Iterator

import pytest

from pool.snapshot import RetryPolicy
from proxy import errors
from proxy.core.retry import may_retry
from proxy.errors import Blame, Cause, ProxyError


def _tree(root: type[ProxyError]) -> Iterator[type[ProxyError]]:
    for error in root.__subclasses__():
        if error.__module__ == errors.__name__:
            yield error
        yield from _tree(error)


ERRORS = list(_tree(ProxyError))

DECISIONS = {
    errors.BadRequest: (400, Blame.CLIENT, False),
    errors.NoRoute: (404, Blame.CLIENT, False),
    errors.MethodRefused: (405, Blame.CLIENT, False),
    errors.RequestTimeout: (408, Blame.CLIENT, False),
    errors.BodyTooLarge: (413, Blame.CLIENT, False),
    errors.TargetTooLong: (414, Blame.CLIENT, False),
    errors.RateLimited: (429, Blame.CLIENT, False),
    errors.HeadTooLarge: (431, Blame.CLIENT, False),
    errors.ClientGone: (499, Blame.CLIENT, False),
    errors.UnknownTransferCoding: (501, Blame.CLIENT, False),
    errors.BadResponse: (502, Blame.BACKEND, False),
    errors.ConnectFailed: (502, Blame.BACKEND, True),
    errors.BackendReset: (502, Blame.BACKEND, False),
    errors.ResponseCut: (502, Blame.BACKEND, False),
    errors.UnwantedStatus: (502, Blame.BACKEND, False),
    errors.NoBackend: (503, Blame.EDGE, True),
    errors.NoRoom: (503, Blame.EDGE, True),
    errors.QueueTimeout: (503, Blame.EDGE, True),
    errors.TooManyConnections: (503, Blame.EDGE, True),
    errors.OutOfSockets: (503, Blame.EDGE, True),
    errors.ConnectTimeout: (504, Blame.BACKEND, True),
    errors.ResponseTimeout: (504, Blame.BACKEND, False),
    errors.TryTimeout: (504, Blame.BACKEND, False),
    errors.DeadlineExceeded: (504, Blame.EDGE, False),
    errors.VersionRefused: (505, Blame.CLIENT, False),
}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_each_error_has_its_row(error: type[ProxyError]) -> None:
    assert (error.status, error.blame, error.nothing_sent) == DECISIONS[error]
    assert error.detail != ProxyError.detail, "each tells its own story"
    assert error.detail.endswith(".")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_the_reason_is_kept_apart_from_what_the_client_is_told(error: type[ProxyError]) -> None:
    assert error().reason == error.detail
    told = error("10.0.0.1 said no")
    assert (str(told), told.reason) == ("10.0.0.1 said no", "10.0.0.1 said no")
    assert "10.0.0.1" not in told.detail


def test_each_error_has_a_cause_of_its_own_and_each_cause_an_error() -> None:
    causes = [error.cause for error in [ProxyError, *ERRORS]]
    assert len(causes) == len(set(causes))
    assert {*causes, Cause.COMPLETE} == {*Cause}


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
@pytest.mark.parametrize("idempotent", [True, False])
@pytest.mark.parametrize("replayable", [True, False])
@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_who_is_tried_again(
    error: type[ProxyError], idempotent: bool, replayable: bool, attempts: int
) -> None:
    allowed = (
        error.blame is Blame.BACKEND
        and replayable
        and attempts < 2
        and (idempotent or error in (errors.ConnectFailed, errors.ConnectTimeout))
    )
    policy = RetryPolicy(attempts=2)
    assert allowed is may_retry(
        policy, error(), attempts=attempts, idempotent=idempotent, replayable=replayable
    )
