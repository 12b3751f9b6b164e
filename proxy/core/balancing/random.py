"""Random, weighted: no state to share, and no order for anybody to fall in step with."""

from collections.abc import Container

from proxy.core.backend import Backend
from proxy.core.balancing.base import NOTHING
from proxy.core.balancing.drawing import Drawing


class Random(Drawing):
    def pick(
        self, excluded: Container[Backend] = NOTHING, key: bytes | None = None
    ) -> Backend | None:
        place = self.draw(excluded)
        return self.backends[place] if place >= 0 else None
