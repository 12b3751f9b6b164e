"""What the edge costs as it grows: `python -m tests.bench.scale`."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.bench import load
from tests.bench.cores import describe_machine, step_aside
from tests.bench.load import LoadError
from tests.bench.processes import StartError, stop_cleanly_when_terminated
from tests.bench.scaling import bodies, flat, idle, swap
from tests.bench.scaling.client import UnexpectedAnswerError
from tests.bench.scaling.finding import Finding
from tests.bench.scaling.stage import Stage, set_up
from tests.bench.systems.edge import Edge
from tests.bench.systems.nginx import Nginx

Part = Callable[[Stage, argparse.Namespace], Iterator[Finding]]

PARTS: dict[str, Part] = {
    "flat": lambda stage, options: flat.measure(stage, options.rounds, options.seconds),
    "idle": lambda stage, _: idle.measure(stage),
    "bodies": lambda stage, _: bodies.measure(stage),
    "swap": lambda stage, _: swap.measure(stage),
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    stop_cleanly_when_terminated()
    if reason := load.missing() or Nginx.missing() or Edge.missing():
        print(reason, file=sys.stderr)
        return 2
    machine = describe_machine()
    print(machine)
    step_aside()
    findings = [finding for name in options.parts for finding in _run(name, options)]
    if options.json:
        content = {"machine": machine, "findings": [asdict(finding) for finding in findings]}
        options.json.write_text(json.dumps(content, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(_markdown(machine, findings))
    return 0 if all(finding.within is not False for finding in findings) else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.scale", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--rounds", type=int, default=5, help="of `flat`")
    parser.add_argument("--seconds", type=int, default=3, help="of each run of `flat`")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.parts if name not in PARTS]:
        parser.error(f"unknown part: {', '.join(unknown)}")
    options.parts = options.parts or list(PARTS)
    return options


def _run(name: str, options: argparse.Namespace) -> Iterator[Finding]:
    """Each part has an edge of its own; one that fails does not keep the others from running."""
    try:
        with set_up() as stage:
            for finding in PARTS[name](stage, options):
                print(finding, flush=True)
                yield finding
    except (StartError, LoadError, UnexpectedAnswerError, OSError) as error:
        finding = Finding.failed(name, str(error))
        print(finding, flush=True)
        yield finding


def _markdown(machine: str, findings: list[Finding]) -> str:
    rows = ["| what | measured | bound | | how |", "| --- | ---: | ---: | --- | --- |"]
    for one in findings:
        verdict = {True: "ok", False: "missed", None: ""}[one.within]
        rows.append(f"| {one.what} | {one.value} | {one.bound} | {verdict} | {one.note} |")
    return "\n".join([*rows, "", machine, ""])


if __name__ == "__main__":
    sys.exit(main())
