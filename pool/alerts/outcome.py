"""What came of sending one message once."""

import msgspec


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`permanent`: trying again would change nothing. `detail` and `excerpt` are for people."""

    delivered: bool = False
    permanent: bool = False
    status: int | None = None
    detail: str = ""
    excerpt: str = ""
    retry_after: int = 0  # seconds for which the other side wants to be left alone
