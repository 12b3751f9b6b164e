"""What the rollups hold at each level, told apart as clients can.

`python ledger.py` prints {step: {"BACKEND CLASS": requests, "BACKEND bytes": bytes}} as JSON;
client aborts are "BACKEND aborts". It fails if those of the pools do not hold the same.
"""

import json
import sys
from collections import Counter, defaultdict

import django

COLUMNS = {f"status_{family}xx": f"{family}xx" for family in range(1, 6)}
COLUMNS |= {"requests": "requests", "bytes_out": "bytes", "client_aborts": "aborts"}


def main() -> None:
    django.setup()
    from analytics.models import PoolRollup, TrafficRollup

    found: dict[int, Counter[str]] = defaultdict(Counter)
    sums: dict[str, Counter[str]] = {"backends": Counter(), "pools": Counter()}
    rows = TrafficRollup.objects.values_list("step", "series__backend", *COLUMNS)
    for step, backend, *values in rows.order_by().iterator():
        for word, value in zip(COLUMNS.values(), values, strict=True):
            found[step][f"{backend} {word}"] += value
            sums["backends"][f"{step} {bool(backend)} {word}"] += value
    rows = PoolRollup.objects.values_list("step", "series__reached", *COLUMNS)
    for step, reached, *values in rows.order_by().iterator():
        for word, value in zip(COLUMNS.values(), values, strict=True):
            sums["pools"][f"{step} {reached} {word}"] += value
    if sums["backends"] != sums["pools"]:
        sys.exit(f"backends and pools differ: {sums}")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
