"""Makes a database with one pool and its backends, and publishes it as the control plane does.

`python -m tests.bench.probing.configuration POLICY URL…`: POLICY has the pool's health
columns as JSON.
"""

import json
import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lbsite.settings")
django.setup()

from django.core.management import call_command  # noqa: E402 - after Django's setup

from pool.bus import SNAPSHOT_KEY  # noqa: E402
from pool.compilation import compile_configuration  # noqa: E402
from pool.connection import redis_client  # noqa: E402
from pool.models import Backend, Pool  # noqa: E402
from pool.snapshot import build, encode  # noqa: E402


def main(policy: str, urls: list[str]) -> None:
    call_command("migrate", verbosity=0)
    pool = Pool.objects.create(name="probed", **json.loads(policy))
    Backend.objects.bulk_create(
        Backend(pool=pool, name=f"b{number}", url=url) for number, url in enumerate(urls)
    )
    redis_client().set(SNAPSHOT_KEY, encode(build(1, *compile_configuration())))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
