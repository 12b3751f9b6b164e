"""The client processes, and what they counted."""

import json
import select
import subprocess
import sys
from typing import Self

from tests.integration.counting import client
from tests.integration.counting.client import Tally

PROCESSES = 2


class Clients:
    """Send `rate` requests a second, as far as the edge lets them, until the block ends."""

    def __init__(self, port: int, answers: int, rate: int, seed: int) -> None:
        share, pace = answers // PROCESSES, rate // PROCESSES
        self._commands = [
            [sys.executable, client.__file__, *map(str, (port, share, pace, seed + number))]
            for number in range(PROCESSES)
        ]
        self._processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        self._processes = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            for command in self._commands
        ]
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    @property
    def have_enough(self) -> bool:
        """Whether they have `answers` in all; they go on nevertheless."""
        outputs = [process.stdout for process in self._processes]
        return len(select.select(outputs, [], [], 0)[0]) == PROCESSES

    def end(self, patience: float) -> Tally:
        """What all of them got, once they have `answers` in all."""
        tally = Tally()
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            output, _ = process.communicate(timeout=patience)
            assert process.returncode == 0, "a client has given up"
            tally.add(Tally(**json.loads(output.splitlines()[-1])))
        return tally
