"""A backend's ejection on its page: whether it is left alone as an outlier, and why."""

from datetime import UTC, datetime

from django.utils import timezone
from unfold.decorators import display

from pool.admin.badges import GREEN, GREY, RED, badge
from pool.admin.health import condition, ejection_of
from pool.models import Backend


class EjectionDisplay:
    """For the backends' screen."""

    ejection_fields = ("ejection", "ejection_details")

    @display(description="Outlier")
    def ejection(self, backend: Backend) -> str:
        if not _is_watched(backend):
            return badge("off", GREY)
        if not condition(backend).known:
            return badge("unknown", GREY)
        ejection = ejection_of(backend)
        if ejection is None:
            return badge("not ejected", GREEN)
        return badge("ejected", RED, ejection.cause)

    @display(description="Because")
    def ejection_details(self, backend: Backend) -> str:
        if not _is_watched(backend):
            return "The pool's outlier detection is off."
        ejection = ejection_of(backend)
        if ejection is None:
            return "Nothing speaks against it."
        until = timezone.localtime(datetime.fromtimestamp(ejection.until, UTC))
        again = f", {ejection.times} times in a row now" if ejection.times > 1 else ""
        return f"Until {until:%H:%M:%S}{again}: {ejection.cause}."


def _is_watched(backend: Backend) -> bool:
    return backend.pool_id is not None and backend.pool.outlier_enabled
