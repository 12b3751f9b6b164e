"""Static files that come in other packages."""

import gzip
import logging
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage

logger = logging.getLogger(__name__)

# The version is part of the address, so that browsers may keep what they got for ever.
PREFIX = f"plotly/{version('plotly')}"
SCRIPT = "plotly.min.js"
PLOTLY = f"{PREFIX}/{SCRIPT}"

# Django setting: the folder for what is compressed beforehand; without one, nothing is.
COMPRESSED = "LB_STATIC_DIR"


class PlotlyFinder(BaseFinder):
    """plotly.js, at `PLOTLY`, from the Python package that ships it.

    For STATICFILES_FINDERS. Only this file: beside it are others, as large, for notebooks.
    """

    def __init__(self, app_names: Iterable[str] | None = None, *args: Any, **kwargs: Any) -> None:
        spec = find_spec("plotly")
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError("the charts need the package plotly; pip install plotly")
        self._script = Path(spec.origin).parent / "package_data" / SCRIPT

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        wanted = path == PLOTLY
        found = [str(self._script)] if wanted else []
        return found if find_all or not wanted else found[0]

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[Any]:
        """With a compressed copy beside it, where WhiteNoise looks for one."""
        files = [self._script]
        if folder := getattr(settings, COMPRESSED, None):
            try:
                files = compress(self._script, Path(folder) / PREFIX)
            except OSError as error:
                logger.warning("%s is served as it is, 4.8 MB large (%s)", SCRIPT, error)
        storage = FileSystemStorage(files[0].parent)
        storage.prefix = PREFIX  # type: ignore[attr-defined]  # where collectstatic puts it
        for file in files:
            yield file.name, storage


def compress(source: Path, folder: Path) -> list[Path]:
    """A link to `source` in `folder`, and beside it a compressed copy, which is made once."""
    folder.mkdir(parents=True, exist_ok=True)
    link, compressed = folder / source.name, folder / f"{source.name}.gz"
    if link.is_symlink() and link.readlink() != source:  # installed elsewhere since
        link.unlink(missing_ok=True)
    with suppress(FileExistsError):
        link.symlink_to(source)
    if not compressed.exists():
        with TemporaryDirectory(dir=folder) as temporary:  # others may do the same
            copy = Path(temporary) / compressed.name
            copy.write_bytes(gzip.compress(source.read_bytes(), mtime=0))
            copy.replace(compressed)
    return [link, compressed]
