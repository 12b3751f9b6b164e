"""The charting library is served from here, like all static files."""

from io import StringIO

from django.contrib.staticfiles import finders
from django.core.management import call_command

SCRIPT = "plotly/plotly.min.js"


def test_the_library_is_served(client):
    response = client.get(f"/static/{SCRIPT}")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/javascript")
    assert b"plotly.js v" in next(iter(response.streaming_content))


def test_nothing_else_of_its_package_is(client):
    assert client.get("/static/plotly/widgetbundle.js").status_code == 404
    assert finders.find("plotly/widgetbundle.js") is None


def test_it_is_collected_under_a_name_with_a_hash(settings, tmp_path):
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"}
    }
    call_command("collectstatic", interactive=False, stdout=StringIO(), verbosity=0)
    assert len(list((tmp_path / "plotly").glob("plotly.min*.js"))) == 2
