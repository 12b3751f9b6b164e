"""The load generator: wrk, told what to send by a generated Lua script."""

import json
import shutil
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

from tests.bench.cores import pinned
from tests.bench.scenarios import Scenario

THINK_SECONDS = 0.010
MAX_PACED_CONNECTIONS = 256
MIN_PACED_CONNECTIONS = 16

_REPORT = """\
done = function(summary, latency, requests)
    local e = summary.errors
    io.write(string.format(
        '\\n{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "longest": %d, ' ..
        '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\\n',
        summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
        latency.max, e.connect, e.read, e.write, e.status, e.timeout))
end
"""


class LoadError(RuntimeError):
    """wrk itself failed."""


@dataclass(frozen=True)
class Errors:
    """wrk's counters: sockets that failed, and answers of 400 and above."""

    connect: int = 0
    read: int = 0
    write: int = 0
    status: int = 0
    timeout: int = 0

    def __bool__(self) -> bool:
        return any((self.connect, self.read, self.write, self.status, self.timeout))

    def __str__(self) -> str:
        counts = vars(self).items()
        return ", ".join(f"{count} {name}" for name, count in counts if count) or "none"


@dataclass(frozen=True)
class LoadResult:
    """Latencies in milliseconds."""

    requests: int
    seconds: float
    p50: float
    p99: float
    longest: float
    errors: Errors

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def missing() -> str | None:
    return None if shutil.which("wrk") else "wrk is not installed (Debian: apt install wrk)"


def script(scenario: Scenario, hosts: tuple[str, ...] = ()) -> str:
    """What wrk sends. With `hosts` each request names the next one."""
    lines = [f"wrk.path = {_lua(scenario.path)}"]
    if scenario.body_size:
        lines.append('wrk.method = "POST"')
        lines.append(f'wrk.body = string.rep("x", {scenario.body_size})')
    lines += [
        f"wrk.headers[{_lua(name)}] = {_lua(value)}" for name, value in scenario.headers.items()
    ]
    if hosts:
        lines.append(f"local hosts = {{{', '.join(map(_lua, hosts))}}}")
        lines.append(_cycling(len(hosts), 'wrk.headers["Host"] = hosts[i]'))
    if scenario.paths:
        lines.append(_cycling(scenario.paths, f'wrk.path = {_lua(scenario.path)} .. "?item=" .. i'))
    return "\n".join([*lines, _REPORT])


def paced(text: str, think_milliseconds: float) -> str:
    """`text` with a pause of 0 to 2 * `think_milliseconds` before each request of a connection.

    wrk's timers tick in milliseconds, so what is due in one tick goes out together.
    """
    return text + f"function delay() return math.random(0, {round(2 * think_milliseconds)}) end\n"


def _cycling(count: int, change: str) -> str:
    """So many requests in turn; `change`: what makes number `i` of them."""
    return textwrap.dedent(f"""\
        local requests, turn = {{}}, 0
        function init(args)
            for i = 1, {count} do
                {change}
                requests[i] = wrk.format()
            end
        end
        function request()
            turn = turn % #requests + 1
            return requests[turn]
        end
        """)


def _lua(text: str) -> str:
    return json.dumps(text)


@dataclass(frozen=True)
class Wrk:
    """Where wrk runs and keeps its scripts."""

    folder: Path
    cores: tuple[int, ...]
    connections: int

    def run(self, port: int, text: str, seconds: int) -> LoadResult:
        return self._run(port, text, seconds, self.connections)

    def run_paced(self, port: int, text: str, seconds: int, rate: float) -> LoadResult:
        """About `rate` requests/s from users who wait for an answer, think, and ask again."""
        wanted = round(rate * THINK_SECONDS)
        connections = min(max(wanted, MIN_PACED_CONNECTIONS), MAX_PACED_CONNECTIONS)
        return self._run(port, paced(text, connections / rate * 1000), seconds, connections)

    def _run(self, port: int, text: str, seconds: int, connections: int) -> LoadResult:
        path = self.folder / "load.lua"
        path.write_text(text)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s"]
        command += ["-s", str(path), f"http://127.0.0.1:{port}/"]
        finished = subprocess.run(
            pinned(self.cores, command),
            capture_output=True,
            text=True,
            timeout=seconds + 30,
            check=False,
        )
        return parse(finished.stdout, finished.stderr)


def parse(output: str, complaint: str = "") -> LoadResult:
    """The last line of `output`, which the script's `done` wrote."""
    last = output.rstrip().rpartition("\n")[2]
    if not last.startswith("{"):
        raise LoadError(f"wrk gave no result: {complaint or output}")
    figures = json.loads(last)
    return LoadResult(
        requests=figures["requests"],
        seconds=figures["microseconds"] / 1e6,
        p50=figures["p50"] / 1000,
        p99=figures["p99"] / 1000,
        longest=figures["longest"] / 1000,
        errors=Errors(**{name: figures[name] for name in Errors.__dataclass_fields__}),
    )
