"""The library as a plain script uses it: no Django, real backends in processes that are killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.integration.edge.harness.backend_process import BackendProcess
from tests.integration.edge.harness.waiting import wait_until

ROOT = Path(__file__).parents[2]

# Asks in 16 threads until it is told to end, by the end of its input; then it tells what it saw.
SCRIPT = """
import json, sys, threading

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("django", "rest_framework", "celery"):
            raise ImportError(f"{name} is not for programs")

sys.meta_path.insert(0, Refuse())
from proxy.client import LoadBalancer

lb = LoadBalancer(sys.argv[1:], recovery_timeout=0.2, timeout=(1, 5))
answers, errors, over = [], [], threading.Event()

def ask():
    while not over.wait(0.005):
        try:
            answers.append(lb.get("/").json()["backend"])
        except Exception as error:
            errors.append(repr(error))

threads = [threading.Thread(target=ask) for _ in range(16)]
for thread in threads:
    thread.start()
for line in sys.stdin:
    print(json.dumps({"healthy": lb.get_healthy_hosts(), "answers": len(answers)}), flush=True)
over.set()
for thread in threads:
    thread.join()
print(json.dumps({"errors": errors, "answers": len(answers), "stats": lb.stats()}))
"""


def test_no_thread_of_a_script_notices_that_backends_die_and_come_back(
    processes: list[BackendProcess],
) -> None:
    urls = [process.spec.url for process in processes]
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *urls],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as script:
        assert script.stdin is not None
        assert script.stdout is not None

        def healthy() -> list[str]:
            script.stdin.write("tell\n")
            return list(json.loads(script.stdout.readline())["healthy"])

        wait_until("it runs", lambda: healthy() == urls)
        processes[0].kill()
        wait_until("one is out", lambda: healthy() == urls[1:])
        processes[0].start()
        wait_until("it is back", lambda: healthy() == urls)
        told = json.loads(script.communicate(timeout=60)[0])
    assert told["errors"] == []
    assert told["answers"] > 100
    assert all(host["requests"] and not host["in_flight"] for host in told["stats"].values())
