"""Static files that come in other packages."""

from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.contrib.staticfiles.finders import BaseFinder
from django.core.files.storage import FileSystemStorage

PREFIX = "plotly"
SCRIPT = "plotly.min.js"


class PlotlyFinder(BaseFinder):
    """plotly.js, at `plotly/plotly.min.js`, from the Python package that ships it.

    For STATICFILES_FINDERS. Only this file: beside it are others, as large, for notebooks.
    """

    def __init__(self, app_names: Iterable[str] | None = None, *args: Any, **kwargs: Any) -> None:
        spec = find_spec("plotly")
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError("the charts need the package plotly; pip install plotly")
        self._folder = Path(spec.origin).parent / "package_data"
        self._storage = FileSystemStorage(self._folder)
        self._storage.prefix = PREFIX  # type: ignore[attr-defined]  # where collectstatic puts it

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        wanted = path == f"{PREFIX}/{SCRIPT}"
        found = [str(self._folder / SCRIPT)] if wanted else []
        return found if find_all or not wanted else found[0]

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[Any]:
        yield SCRIPT, self._storage
