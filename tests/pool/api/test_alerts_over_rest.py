"""Channels, rules and what was told, over REST; secrets go in and never come out."""

import pytest

from pool.models import AlertChannel, AlertDelivery, AlertRule

SECRET = "a-secret-nobody-may-see"
WEBHOOK = {
    "name": "pager",
    "kind": "webhook",
    "url": "HTTPS://Hooks.Example/in?team=a",
    "signing_secret": SECRET,
}


def post(client, path, body):
    return client.post(f"/api/v1/{path}/", body, format="json")


@pytest.fixture
def pager(boss):
    assert post(boss, "alert-channels", WEBHOOK).status_code == 201
    return AlertChannel.objects.get()


def test_a_channel_is_made_and_its_secret_is_not_told(boss, pager):
    answers = [boss.get(f"/api/v1/alert-channels/{path}") for path in ("", "pager/")]
    answers.append(boss.patch("/api/v1/alert-channels/pager/", {"url": "https://b/"}))
    for answer in answers:
        assert answer.status_code == 200
        assert SECRET not in answer.content.decode()
    assert answers[1].json() == {
        "id": pager.pk,
        "name": "pager",
        "kind": "webhook",
        "url": "https://hooks.example/in?team=a",
        "recipients": "",
        "goes_to": "https://hooks.example/…",
        "secret_set": True,
    }
    pager.refresh_from_db()
    assert (pager.url, pager.signing_secret) == ("https://b/", SECRET)


def test_a_url_is_told_to_those_who_may_change_it(pager, reader):
    shown = reader.get("/api/v1/alert-channels/pager/").json()
    assert (shown["url"], shown["goes_to"]) == ("", "https://hooks.example/…")
    assert "team=a" not in reader.get("/api/v1/alert-channels/").content.decode()


@pytest.mark.parametrize(
    ("fields", "field", "part"),
    [
        ({"kind": "webhook", "url": "https://a"}, "signing_secret", "needs this"),
        ({"kind": "webhook", "signing_secret": SECRET}, "url", "needs this"),
        (WEBHOOK | {"signing_secret": "short"}, "signing_secret", "at least 16"),
        (WEBHOOK | {"url": "ftp://a"}, "url", "Start with https://"),
        (WEBHOOK | {"url": "https://me:hunter2@a/"}, "url", "user name and password"),
        (WEBHOOK | {"url": "https://a/#x"}, "url", "fragment"),
        ({"kind": "slack"}, "slack_url", "needs this"),
        ({"kind": "slack", "slack_url": "https://a/ hunter2"}, "slack_url", "without spaces"),
        ({"kind": "email"}, "recipients", "needs this"),
        ({"kind": "email", "recipients": "a@b.example, me"}, "recipients", "me is not an e-mail"),
        ({"kind": "pigeon"}, "kind", "choose one of these: webhook, email, slack"),
    ],
)
def test_what_is_wrong_with_a_channel_is_told_by_field(boss, fields, field, part):
    answer = post(boss, "alert-channels", {"name": "new", **fields})
    assert answer.status_code == 400
    assert part in " ".join(answer.json()[field])
    assert "hunter2" not in answer.content.decode()
    assert not AlertChannel.objects.exists()


def test_a_channel_forgets_what_is_not_of_its_kind(boss, pager):
    change = {"kind": "email", "recipients": "ops@example.com"}
    assert boss.patch("/api/v1/alert-channels/pager/", change).status_code == 200
    pager.refresh_from_db()
    assert (pager.url, pager.signing_secret) == ("", "")


def test_a_rule_names_pools_and_channels(boss, pager, web):
    rule = {"name": "down", "channels": ["pager"], "pools": ["web"], "hold_for": 30}
    answer = post(boss, "alert-rules", rule)
    assert answer.status_code == 201
    assert answer.json() | rule == answer.json()
    assert answer.json()["kinds"] == [
        *("health_changed", "configuration_not_published", "edge_left", "edge_lags"),
        *("failover", "panic", "no_healthy_upstream", "circuit_opened"),
    ]
    assert boss.patch("/api/v1/alert-rules/down/", {"enabled": False}).json()["enabled"] is False


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"kinds": []}, "kinds"),
        ({"kinds": ["rain"]}, "kinds"),
        ({"channels": []}, "channels"),
        ({"channels": ["nobody"]}, "channels"),
        ({"pools": ["nowhere"]}, "pools"),
        ({"hold_for": -1}, "hold_for"),
        ({"quiet_for": 86_401}, "quiet_for"),
        ({"minimum_severity": "loud"}, "minimum_severity"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_by_field(boss, pager, fields, field):
    answer = post(boss, "alert-rules", {"name": "down", "channels": ["pager"], **fields})
    assert answer.status_code == 400
    assert list(answer.json()) == [field]
    assert not AlertRule.objects.exists()


def test_a_test_message_answers_with_what_came_of_it(boss, pager, settings):
    settings.LB_ALERT_INTERNAL = False
    pager.url = "http://127.0.0.1:1/"
    pager.save()
    answer = boss.post("/api/v1/alert-channels/pager/test/")
    assert answer.status_code == 200
    assert answer.json()["state"] == "failed"
    assert "LB_ALERT_INTERNAL" in answer.json()["detail"]
    listed = boss.get("/api/v1/alert-deliveries/?channel=pager&state=failed").json()
    assert [row["key"] for row in listed["results"]] == [answer.json()["key"]]
    assert listed["results"][0]["message"]["status"] == "test"


def test_a_reader_sees_alerts_and_sends_no_test(reader, nobody, stranger, pager):
    for path in ("alerts", "alert-channels", "alert-rules", "alert-deliveries"):
        url = f"/api/v1/{path}/"
        statuses = [client.get(url).status_code for client in (reader, nobody, stranger)]
        assert statuses == [200, 403, 401]
    for client in (reader, nobody):
        assert client.post("/api/v1/alert-channels/pager/test/").status_code == 403
        assert client.patch("/api/v1/alert-channels/pager/", {}).status_code == 403
    assert not AlertDelivery.objects.exists()
