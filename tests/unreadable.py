"""Bytes that are no record, each of which msgspec refuses with an error of another kind."""

UNREADABLE = [
    b"",
    b"\x00\xff\x12",
    b"null",
    b'{"number": "\xff", "state": "\xff", "kind": "\xff", "cause": "\xff", "worker_id": "\xff"}',
    b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"}",
]
NAMES = ["empty", "no JSON", "null", "no UTF-8", "too deep"]
