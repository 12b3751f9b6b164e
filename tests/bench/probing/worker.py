"""One process that probes as a Celery worker does, and says in the end how late it was.

`python -m tests.bench.probing.worker SECONDS WARM_UP`: its last line is JSON with `late`, the
seconds from each probe's due time to its start, and `core`, the share of one core.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lbsite.settings")
django.setup()

from django.conf import settings  # noqa: E402 - Django has to be set up before its models load

from pool.connection import redis_client  # noqa: E402
from pool.health import tasks  # noqa: E402
from pool.health.plan import Target  # noqa: E402
from pool.health.prober import TICK, Prober  # noqa: E402
from pool.health.schedule import Claim  # noqa: E402


class MeasuredProber(Prober):
    def __init__(self) -> None:
        sample = getattr(settings, *tasks.SAMPLE_SECONDS)
        super().__init__(redis_client(), getattr(settings, *tasks.CONCURRENCY), sample=sample)
        self.late: list[float] = []

    def _run(self, claim: Claim, target: Target) -> None:
        self.late.append(time.time() - claim.due)
        super()._run(claim, target)


def main(seconds: float, warm_up: float) -> None:
    prober = MeasuredProber()
    with ThreadPoolExecutor(8) as beat:  # a tick may last longer than until the next one
        _tick(prober, beat, warm_up)
        prober.late.clear()
        cpu, began = time.process_time(), time.monotonic()
        _tick(prober, beat, seconds)
        core = (time.process_time() - cpu) / (time.monotonic() - began)
        late = list(prober.late)
    prober.close()
    print(json.dumps({"core": core, "late": late}))


def _tick(prober: Prober, beat: ThreadPoolExecutor, seconds: float) -> None:
    start = time.monotonic()
    for number in range(round(seconds / TICK)):
        time.sleep(max(0.0, start + number * TICK - time.monotonic()))
        beat.submit(prober.tick)
    time.sleep(max(0.0, start + seconds - time.monotonic()))


if __name__ == "__main__":
    main(*map(float, sys.argv[1:]))
