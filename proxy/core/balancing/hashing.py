"""The hash by which keys and backends are placed: the same in every process and version.

BLAKE2b, for it is in the standard library, and nobody can make up many keys that
all fall on one backend without knowing more than it tells. (`hash()` differs from
process to process, and short checksums spread similar keys badly.)
"""

from hashlib import blake2b


def stable_hash(data: bytes) -> int:
    """64 bits."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")
