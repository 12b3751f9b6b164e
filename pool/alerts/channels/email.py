"""E-mail, through Django's backend."""

import smtplib

from django.conf import settings
from django.core.mail import EmailMessage

from pool.alerts.messages import lines, subject
from pool.alerts.outcome import Outcome
from pool.models.alerts import AlertDelivery

_SMTP = "django.core.mail.backends.smtp.EmailBackend"


def send(delivery: AlertDelivery) -> Outcome:
    if settings.EMAIL_BACKEND == _SMTP and not settings.EMAIL_HOST:
        return Outcome(permanent=True, detail="no mail server is set: LB_EMAIL_URL names one")
    try:
        _mail(delivery).send()
    except smtplib.SMTPRecipientsRefused as error:
        code, reply = next(iter(error.recipients.values()))
        return Outcome(permanent=code >= 500, detail=_said(code, reply))
    except smtplib.SMTPResponseException as error:
        return Outcome(detail=_said(error.smtp_code, error.smtp_error))
    except (smtplib.SMTPException, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Outcome(detail=f"the mail server cannot be used: {why}".lower())
    return Outcome(delivered=True, detail=f"taken by the mail server {settings.EMAIL_HOST}".strip())


def _mail(delivery: AlertDelivery) -> EmailMessage:
    message = delivery.message
    body = [*lines(message), *([f"\n{message['link']}"] if message["link"] else [])]
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ") or "lbsite"
    return EmailMessage(
        f"[lbsite] {subject(message)}",
        "\n".join(body),
        to=delivery.channel.recipients.split(", "),
        # The same for each try: what is delivered twice is shown once.
        headers={"Message-ID": f"<{delivery.bundle}@{domain}>", "Auto-Submitted": "auto-generated"},
    )


def _said(code: int, reply: bytes | str) -> str:
    text = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return f"the mail server says {code}: {text}"
