"""How many connections the system lets a worker have."""

import errno
import resource

NONE_LEFT = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))
_PER_CLIENT = 2  # its own, and one for the backend that its request is at
_OWN = 64  # listeners, Redis, boards, logs
REFUSED = 64  # clients beyond the limit that are just being told so; any more are not told


def room_for_clients(wanted: int) -> int:
    """How many clients can be served at once, at most `wanted`.

    A worker that takes more of them than it has descriptors for fails the requests
    of all: none is left to reach a backend with. The soft limit is raised as far as
    it may and has to be: many systems begin at 1,024 and allow far more.
    """
    others = _OWN + REFUSED
    needed = _PER_CLIENT * wanted + others
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _covers(soft, needed):
        return wanted
    limit = needed if _covers(hard, needed) else hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return wanted if limit == needed else max(1, (limit - others) // _PER_CLIENT)


def _covers(limit: int, needed: int) -> bool:
    return limit == resource.RLIM_INFINITY or limit >= needed
