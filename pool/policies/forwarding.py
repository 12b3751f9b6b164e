"""How requests are forwarded: times, headers, TLS to the backends."""

from django.db import models

from pool.fields import CertificatesField, HeaderRulesField, HostHeaderField, ServerNameField
from pool.header_rules import Message
from pool.policies.base import PolicyGroup, columns_named, seconds
from pool.snapshot import HeaderPolicy, TimeoutPolicy, TlsPolicy


class TimeoutPolicyFields(models.Model):
    """How long the edge waits for a backend."""

    connect_timeout = seconds(
        5.0, 0.05, 300, "Seconds to wait for a connection before another backend is tried."
    )
    response_timeout = seconds(
        60.0, 0.05, 86400, "Seconds to wait for the head of a response; then 504."
    )
    idle_timeout = seconds(
        60.0, 0.05, 86400, "Seconds without a byte in either direction until a request is given up."
    )
    request_timeout = seconds(
        0.0, 0, 86400, "Seconds for the whole of a request, with all its tries; 0 is no limit."
    )

    class Meta:
        abstract = True


_RULES_HELP = (
    "One rule a line, applied in this order: set replaces a field, add puts one beside those "
    "that are there, remove takes it away."
)


class HeaderRulesFields(models.Model):
    """Changes to the header of each message."""

    request_headers = HeaderRulesField(
        message=Message.REQUEST,
        default=list,
        blank=True,
        help_text=f"Changes to each request on its way to the backend. {_RULES_HELP}",
    )
    response_headers = HeaderRulesField(
        message=Message.RESPONSE,
        default=list,
        blank=True,
        help_text=f"Changes to each response on its way to the client. {_RULES_HELP}",
    )

    class Meta:
        abstract = True


class HeaderPolicyFields(HeaderRulesFields):
    """What a backend learns of the request, and a client of the response."""

    host_header = HostHeaderField(
        "Host header",
        max_length=260,
        default="",
        blank=True,
        help_text='Host that the backends get: empty for the client\'s, "backend" for the '
        "backend's own, or a name of yours such as app.internal:8080. Default: the client's.",
    )
    forwarded_header = models.BooleanField(
        "Forwarded header",
        default=False,
        help_text="Send Forwarded (RFC 7239) too, beside the X-Forwarded-* that are always sent.",
    )
    request_id_header = models.BooleanField(
        "X-Request-Id for clients",
        default=False,
        help_text="Tell clients the id under which their request is found in the logs, as backends "
        "always are. What a backend says in X-Request-Id gives way.",
    )

    class Meta:
        abstract = True


class TlsPolicyFields(models.Model):
    """How https backends prove who they are."""

    tls_verify = models.BooleanField(
        "verify certificates",
        default=True,
        help_text="Refuse https backends whose certificate is not valid for their name. When off, "
        "anybody between edge and backend can read and change the traffic.",
    )
    tls_ca = CertificatesField(
        "trusted authorities",
        default="",
        blank=True,
        help_text="Certificates in PEM to trust in place of the system's, for example your own "
        "authority's. Never a private key.",
    )
    tls_server_name = ServerNameField(
        "TLS server name",
        max_length=255,
        default="",
        blank=True,
        help_text="Name to ask https backends for (SNI) and to find in their certificates. "
        "Default: the host of the backend's URL.",
    )

    class Meta:
        abstract = True


TIMEOUTS = PolicyGroup(
    TimeoutPolicy, TimeoutPolicyFields, columns_named("{}_timeout", TimeoutPolicy)
)
HEADERS = PolicyGroup(
    HeaderPolicy,
    HeaderPolicyFields,
    {
        "host": "host_header",
        "forwarded": "forwarded_header",
        "request_id": "request_id_header",
        "request_rules": "request_headers",
        "response_rules": "response_headers",
    },
)
TLS = PolicyGroup(TlsPolicy, TlsPolicyFields, columns_named("tls_{}", TlsPolicy))
