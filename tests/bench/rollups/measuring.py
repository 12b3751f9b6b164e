"""The part of the bench that runs inside of Django, against one database: see `__main__`."""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lbsite.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 - after Django's setup

from pool.connection import redis_client  # noqa: E402
from tests.bench.rollups import ingesting  # noqa: E402


def main() -> None:
    call_command("migrate", verbosity=0)
    backends = int(sys.argv[1])
    redis = redis_client()
    for name, sources, seconds in (
        ("50 workers, one second", 50, 1),
        ("1 worker, 50 seconds", 1, 50),
        ("10 workers, 10 seconds", 10, 10),
    ):
        rate = ingesting.measure(redis, sources=sources, seconds=seconds, backends=backends)
        print(f"{rate:9,.0f} backend-seconds/s  {name}", flush=True)


if __name__ == "__main__":
    main()
