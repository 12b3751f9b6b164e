"""Who of a pool is out as an outlier: what all workers have agreed on, taken up by one."""

from collections.abc import Mapping

from pool.outliers.records import Ejection
from proxy.core.pool import Pool


def show_ejected(pool: Pool, ejected: Mapping[int, Ejection]) -> None:
    """Choose among the others. `ejected`: those that are out now, by the backends' ids."""
    changed = False
    for backend in pool.backends.values():
        ejection = ejected.get(backend.id)
        if (ejection is None) is not (backend.ejection is None):
            changed = True
            if backend.monitor is not None:
                backend.monitor.clear()
        backend.ejection = ejection
    if changed:
        pool.refresh()
