"""Where most requests went wrong."""

from datetime import timedelta

import pytest
from django.utils import timezone

from analytics.reports import Clock
from analytics.requests import store
from analytics.requests.paths import top_error_paths

pytestmark = pytest.mark.django_db


@pytest.fixture
def hour():
    return Clock.read().last("1h")


def places(report):
    return [(one.host + one.path, one.count) for one in report.paths]


def test_paths_come_by_the_number_of_their_errors(batch, note, failure, hour):
    store.add(
        [
            batch(
                *(failure(path="/a", status=status) for status in (502, 502, 504)),
                failure(path="/b", cause="response_timeout"),
                failure(path="/a", host="other.test"),
                *(note(path="/fine") for _ in range(9)),
            )
        ]
    )
    report = top_error_paths(hour)
    assert places(report)[0] == ("shop.test/a", 3)
    assert sorted(places(report)[1:]) == [("other.test/a", 1), ("shop.test/b", 1)]
    first = report.paths[0]
    assert (first.share, first.statuses) == (0.6, {"502": 2, "504": 1})
    assert first.causes == {"connect_failed": 3}
    assert timezone.now() - first.last_seen < timedelta(minutes=1)
    assert top_error_paths(hour, limit=1).paths == [first]


def test_refusals_and_cut_answers_are_errors_and_aborts_and_retries_are_not(batch, failure, hour):
    store.add(
        [
            batch(
                failure(path="/refused", status=404, cause="no_route", pool=""),
                failure(path="/cut", status=200, cause="response_cut"),
                failure(path="/left", status=499, cause="client_abort"),
                failure(path="/again", status=200, cause="complete", attempts=2),
                failure(path="/backends", status=500, cause="complete"),
            )
        ]
    )
    found = {place for place, _ in places(top_error_paths(hour))}
    assert found == {"shop.test/refused", "shop.test/cut", "shop.test/backends"}


def test_what_was_left_out_is_told_beside_them(batch, failure, hour):
    store.add([batch(failure(), left_out={"shop": 7, "blog": 2, "": 1})])
    assert (top_error_paths(hour).noted, top_error_paths(hour).left_out) == (1, 10)
    assert top_error_paths(hour, "shop").left_out == 7


def test_only_of_the_pool_and_the_time_that_was_asked_for(batch, failure):
    now = timezone.now()
    ago = int((now - timedelta(hours=3)).timestamp())
    store.add([batch(failure(pool="shop"), failure(pool="blog", path="/post"))])
    store.add([batch(failure(at=ago * 1000, path="/old"), left_out={"shop": 4}, at=ago)])
    clock = Clock.read()
    assert places(top_error_paths(clock.last("1h"), "blog")) == [("shop.test/post", 1)]
    then = clock.between(ago - 60, ago + 60)
    assert places(top_error_paths(then)) == [("shop.test/old", 1)]
    assert top_error_paths(then).left_out == 4
    assert top_error_paths(clock.last("5m")).left_out == 0


def test_nothing_went_wrong(hour):
    report = top_error_paths(hour)
    assert (report.noted, report.left_out, report.paths) == (0, 0, [])
