"""JSON to a URL, signed as Standard Webhooks has it, so that its libraries can check it.

https://www.standardwebhooks.com: the signature is over id, time and body, each of which a
receiver can thus believe; the id is the same for each try of a message.
"""

import hashlib
import hmac
from base64 import b64encode
from time import time

from pool.alerts.channels.posting import encode, post_json
from pool.alerts.messages import lines
from pool.alerts.outcome import Outcome
from pool.models.alerts import AlertDelivery


def send(delivery: AlertDelivery) -> Outcome:
    channel, key, message = delivery.channel, str(delivery.bundle), delivery.message
    body = encode({"id": key, **message, "text": "\n".join(lines(message))})
    timestamp = str(int(time()))
    headers = {
        "webhook-id": key,
        "webhook-timestamp": timestamp,
        "webhook-signature": sign(channel.signing_secret, key, timestamp, body),
        "Idempotency-Key": key,
    }
    return post_json(channel.url, body, headers)


def sign(secret: str, key: str, timestamp: str, body: bytes) -> str:
    signed = f"{key}.{timestamp}.".encode() + body
    digest = hmac.digest(secret.encode(), signed, hashlib.sha256)
    return f"v1,{b64encode(digest).decode()}"
