"""The charting library is served from here, like all static files."""

import gzip
from io import StringIO
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.http import HttpResponse
from django.test import RequestFactory
from whitenoise.middleware import WhiteNoiseMiddleware

from analytics.finders import PLOTLY, PlotlyFinder, compress

ADDRESS = f"/static/{PLOTLY}"


@pytest.fixture
def ask():
    """As a browser asks a server that has just started."""
    middleware = WhiteNoiseMiddleware(lambda request: HttpResponse(status=404))
    return lambda path, **headers: middleware(RequestFactory().get(path, headers=headers))


def body(answer):
    return b"".join(answer.streaming_content)


def test_the_library_is_served(ask):
    answer = ask(ADDRESS)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/javascript")
    assert b"plotly.js v" in body(answer)


def test_it_is_compressed_for_who_can_read_that(ask):
    answer = ask(ADDRESS, accept_encoding="gzip")
    assert answer["Content-Encoding"] == "gzip"
    assert answer["Content-Type"].startswith("text/javascript")
    assert int(answer["Content-Length"]) < 2_000_000
    assert gzip.decompress(body(answer)) == body(ask(ADDRESS))


def test_it_is_asked_for_once(ask):
    assert "immutable" in ask(ADDRESS)["Cache-Control"]
    assert "immutable" not in ask("/static/analytics/report.js")["Cache-Control"]


def test_nothing_else_of_its_package_is(ask):
    assert ask(ADDRESS.replace("plotly.min.js", "widgetbundle.js")).status_code == 404
    assert finders.find(PLOTLY.replace("plotly.min.js", "widgetbundle.js")) is None


def test_it_is_compressed_once(tmp_path):
    source = tmp_path / "script.js"
    source.write_text("one")
    _, compressed = compress(source, tmp_path / "of" / "it")
    source.write_text("two")
    compress(source, tmp_path / "of" / "it")
    assert gzip.decompress(compressed.read_bytes()) == b"one"


def test_it_is_found_where_it_is_installed_now(tmp_path):
    for place in ("old", "new"):
        source = tmp_path / place / "script.js"
        source.parent.mkdir()
        source.write_text(place)
        link, _ = compress(source, tmp_path / "static")
        assert link.read_text() == place
    assert sorted(path.name for path in link.parent.iterdir()) == ["script.js", "script.js.gz"]


def test_without_room_for_a_copy_it_is_served_as_it_is(settings, tmp_path, caplog):
    (tmp_path / "file").touch()
    settings.LB_STATIC_DIR = tmp_path / "file"
    [(name, storage)] = PlotlyFinder().list(None)
    assert Path(storage.path(name)).stat().st_size > 4_000_000
    assert "is served as it is" in caplog.text


def test_it_is_collected_under_a_name_with_a_hash(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    }
    call_command("collectstatic", interactive=False, stdout=StringIO(), verbosity=0)
    assert len(list((tmp_path / PLOTLY).parent.glob("plotly.min*.js"))) == 2
