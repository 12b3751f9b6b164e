"""Secrets that the product makes for itself, kept in the data folder."""

import os
import secrets
from pathlib import Path


def load_or_create_secret_key(data_dir: Path) -> str:
    """The secret key of this data folder, made once and kept with mode 0600."""
    path = data_dir / "secret_key"
    try:
        # O_EXCL: of several processes that start together, one makes the key.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        key = secrets.token_urlsafe(50)
        file.write(key)
    return key
