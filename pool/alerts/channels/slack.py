"""Slack's incoming webhooks, and those of Mattermost and others that take the same."""

from pool.alerts.channels.posting import encode, post_json
from pool.alerts.messages import lines, subject
from pool.alerts.outcome import Outcome
from pool.models.alerts import AlertDelivery


def send(delivery: AlertDelivery) -> Outcome:
    message = delivery.message
    said = [f"*{_escape(subject(message))}*", *map(_escape, lines(message))]
    if message["link"]:
        said.append(f"<{message['link']}|Open in lbsite>")
    body = encode({"text": "\n".join(said)})
    return post_json(delivery.channel.slack_url, body, {"Idempotency-Key": str(delivery.bundle)})


def _escape(text: str) -> str:
    """The three characters that Slack wants escaped; "<!channel>" would wake everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
