"""The schema has no gaps, and its page needs nothing from elsewhere."""

import re

import pytest
from django.core.management import call_command


def test_the_schema_is_valid_and_without_warnings(tmp_path):
    call_command(
        "spectacular", "--validate", "--fail-on-warn", "--file", str(tmp_path / "schema.yml")
    )


@pytest.mark.django_db
def test_the_docs_load_local_assets_only(client):
    page = client.get("/api/v1/docs/").content.decode()
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert assets
    assert all(asset.startswith("/static/") for asset in assets)
    assert all(client.get(asset).status_code == 200 for asset in assets)


@pytest.mark.django_db
def test_the_schema_is_served(client):
    assert b"/api/v1/pools/{pool_name}/backends/" in client.get("/api/v1/schema/").content


@pytest.mark.django_db
def test_the_schema_describes_header_rules(client):
    schema = client.get("/api/v1/schema/", headers={"accept": "application/json"}).json()
    schemas = schema["components"]["schemas"]
    rules = schemas["Pool"]["properties"]["request_headers"]
    assert rules["type"] == "array"
    rule = schemas[rules["items"]["$ref"].rpartition("/")[2]]
    assert rule["required"] == ["action", "name"]
    assert set(rule["properties"]) == {"action", "name", "value"}
    assert "Bytes" in schemas["Pool"]["properties"]["max_body"]["description"]
