"""Primary and backups as a program uses them: around a function."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from proxy.failover import AllBackendsUnavailable, FailoverManager


class Time:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Servers:
    """`down`: the endpoints that fail."""

    def __init__(self, *down: str) -> None:
        self.down = set(down)
        self.calls: list[str] = []

    def __call__(self, endpoint: str) -> str:
        self.calls.append(endpoint)
        if endpoint in self.down:
            raise OSError("refused")
        return endpoint


ENDPOINTS = ["primary", "backup", "last"]


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def manager(time: Time) -> FailoverManager:
    return FailoverManager(ENDPOINTS, clock=time)


def test_the_primary_is_used_while_it_works(manager: FailoverManager) -> None:
    servers = Servers()
    assert [manager.call(servers) for _ in range(5)] == ["primary"] * 5
    assert manager.active == "primary"


def test_a_call_that_fails_goes_to_the_next_one(manager: FailoverManager) -> None:
    servers = Servers("primary", "backup")
    assert [manager.call(servers) for _ in range(2)] == ["last", "last"]
    assert servers.calls == ["primary", "backup", "last", "last"]
    assert manager.active == "last"


def test_calls_return_to_the_primary_when_it_works_again(
    manager: FailoverManager, time: Time
) -> None:
    servers = Servers("primary")
    assert manager.call(servers) == "backup"
    time.now = 31
    assert manager.call(servers) == "backup"  # tried once more, and still down
    assert servers.calls == ["primary", "backup", "primary", "backup"]
    servers.down.clear()
    time.now = 62
    assert [manager.call(servers) for _ in range(2)] == ["primary", "primary"]
    assert manager.active == "primary"


def test_when_all_fail_each_error_is_told(manager: FailoverManager) -> None:
    servers = Servers(*ENDPOINTS)
    with pytest.raises(AllBackendsUnavailable) as caught:
        manager.call(servers)
    assert caught.value.errors == dict.fromkeys(ENDPOINTS, "OSError: refused")
    assert isinstance(caught.value.__cause__, OSError)
    assert manager.active is None
    with pytest.raises(AllBackendsUnavailable):
        manager.call(servers)
    assert servers.calls == ENDPOINTS
    manager.reset()
    assert manager.call(Servers()) == "primary"


def test_so_many_failures_in_a_row_are_borne(time: Time) -> None:
    manager = FailoverManager(ENDPOINTS, failure_threshold=2, clock=time)
    servers = Servers("primary")
    assert [manager.call(servers) for _ in range(3)] == ["backup"] * 3
    assert servers.calls == ["primary", "backup", "primary", "backup", "backup"]


def test_what_is_no_failure_of_the_endpoint_is_raised_at_once(time: Time) -> None:
    manager = FailoverManager(ENDPOINTS, failures=(OSError,), clock=time)

    def mistaken(endpoint: str) -> None:
        raise ValueError(endpoint)

    with pytest.raises(ValueError, match="primary"):
        manager.call(mistaken)
    assert manager.active == "primary"


def test_arguments_are_passed_on(manager: FailoverManager) -> None:
    def told(endpoint: str, number: int, *, name: str) -> tuple[str, int, str]:
        return endpoint, number, name

    assert manager.call(told, 7, name="x") == ("primary", 7, "x")


def test_threads_share_what_is_known(manager: FailoverManager) -> None:
    servers = Servers("primary")
    with ThreadPoolExecutor(16) as threads:
        answers = set(threads.map(lambda _: manager.call(servers), range(200)))
    assert answers == {"backup"}
    assert 1 <= servers.calls.count("primary") <= 16


def test_a_threshold_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="failure_threshold"):
        FailoverManager(ENDPOINTS, failure_threshold=0)
