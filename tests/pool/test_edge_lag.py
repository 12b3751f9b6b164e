"""The timeline tells of an edge that runs something else than is saved, and when it does not."""

from datetime import UTC, datetime

import msgspec
import pytest

from pool.bus import EDGES_KEY
from pool.choices import EventKind
from pool.edge_lag import TOLD_AFTER, track_lag
from pool.models import Event, Revision
from tests.edge_reports import edge_report

pytestmark = pytest.mark.django_db

NOW = 1_700_000_000.0


@pytest.fixture
def at(redis_client):
    """Looks at an edge that runs this, so many seconds after the publication of "new"."""
    Revision.objects.create(
        number=2,
        content_hash="new",
        summary="x",
        snapshot="{}",
        published_at=datetime.fromtimestamp(NOW, UTC),
    )

    def look(seconds: float, content: str = "old") -> list[str]:
        report = edge_report(NOW, snapshot_hash=content, seen_at=NOW + seconds)
        if content:
            redis_client.hset(EDGES_KEY, "w1", msgspec.json.encode(report))
        else:
            redis_client.delete(EDGES_KEY)
        track_lag(NOW + seconds)
        return list(Event.objects.order_by("id").values_list("kind", flat=True))

    return look


def test_an_edge_that_lags_for_long_is_told_once(at):
    assert at(TOLD_AFTER) == []
    assert at(TOLD_AFTER + 1) == at(TOLD_AFTER + 9) == [EventKind.EDGE_LAGS]
    event = Event.objects.get()
    assert event.message == "Edge edge-1, pid 42, still runs revision 1, not 2"
    assert event.severity == "warning"


@pytest.mark.parametrize(
    ("content", "said"),
    [("new", "runs what is saved again"), ("", "is gone, and lagged until then")],
)
def test_its_end_is_told_once(at, content, said):
    at(20)
    assert at(25, content) == at(30, content) == [EventKind.EDGE_LAGS, EventKind.EDGE_CAUGHT_UP]
    assert Event.objects.latest("id").message == f"Edge edge-1, pid 42, {said}"


def test_what_is_published_meanwhile_ends_nothing(at):
    at(20)
    Revision.objects.create(
        number=3,
        content_hash="newer",
        summary="x",
        snapshot="{}",
        published_at=datetime.fromtimestamp(NOW + 24, UTC),
    )
    assert at(25) == at(40) == [EventKind.EDGE_LAGS]
