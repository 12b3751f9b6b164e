"""What the rollups hold at each level, told apart as clients can.

`python ledger.py` prints {step: {"BACKEND CLASS": requests, "BACKEND bytes": bytes}} as JSON;
client aborts are "BACKEND aborts".
"""

import json
from collections import Counter, defaultdict

import django


def main() -> None:
    django.setup()
    from analytics.models import TrafficRollup

    columns = {f"status_{family}xx": f"{family}xx" for family in range(1, 6)}
    columns |= {"requests": "requests", "bytes_out": "bytes", "client_aborts": "aborts"}
    found: dict[int, Counter[str]] = defaultdict(Counter)
    rows = TrafficRollup.objects.values_list("step", "series__backend", *columns)
    for step, backend, *values in rows.order_by().iterator():
        for word, value in zip(columns.values(), values, strict=True):
            found[step][f"{backend} {word}"] += value
    print(json.dumps(found))


if __name__ == "__main__":
    main()
