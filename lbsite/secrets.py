"""Secrets that the product makes for itself, kept in the data folder."""

import os
import secrets
import tempfile
from pathlib import Path


def load_or_create_secret_key(data_dir: Path) -> str:
    """The secret key of this data folder, made once and kept with mode 0600."""
    path = data_dir / "secret_key"
    if not path.exists():
        _create(path, secrets.token_urlsafe(50))
    return path.read_text().strip()


def _create(path: Path, content: str) -> None:
    """Of several processes that start together one wins, and none reads half a file.

    The file gets its name once it is whole; `link` fails where a name exists.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")  # mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)
