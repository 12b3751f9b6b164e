"""What a pool's outlier settings come to, where that may surprise who made them."""

from pool.outliers.records import most_ejected
from pool.snapshot import PoolSpec
from pool.words import counted


def advise(pool: PoolSpec) -> list[str]:
    """Sentences for the operator; none if the settings mean what they say, or are off."""
    policy, size = pool.outlier, len(pool.backends)
    if not policy.enabled:
        return []
    said = []
    most = most_ejected(policy, size)
    share = f"{policy.max_ejected} % of {counted(size, 'backend')}"
    if not most:
        needed = f"outlier_max_ejected of at least {-(-100 // size)}" if size else "a backend"
        said.append(f"{share} is less than one: nobody is ever ejected. It takes {needed}.")
    elif most == size:
        said.append(f"{share}: all of them may be ejected at once.")
    if policy.success_deviations and size < policy.success_hosts:
        said.append(
            f"Success rates are compared from {policy.success_hosts} backends on "
            f"(outlier_success_hosts), and the pool has {size}."
        )
    if policy.probes_return and pool.health.enabled:
        every = f"{pool.health.interval:g} s"
        said.append(f"A probe that passes ends an ejection: they are sent every {every}.")
    return said
