"""The edge beside its peers, on loopback: `python -m tests.bench.compare`."""

import argparse
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench import chart, load
from tests.bench.backend import Backend
from tests.bench.cores import describe_machine, share_out, step_aside
from tests.bench.processes import stop_cleanly_when_terminated
from tests.bench.report import Report
from tests.bench.rounds import BACKENDS, Comparison, Plan
from tests.bench.scenarios import ALL, BY_NAME
from tests.bench.systems.registry import SYSTEMS


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parse(arguments)
    stop_cleanly_when_terminated()
    if reason := _unable(options):
        print(reason, file=sys.stderr)
        return 2
    skipped = {name: why for name in options.systems if (why := SYSTEMS[name].missing())}
    for name, why in skipped.items():
        print(f"{name} left out: {why}")
    present = [name for name in options.systems if name not in skipped]
    if not present:
        print("nothing to measure", file=sys.stderr)
        return 2
    report = _run(options, present, skipped)
    print(report.terminal())
    _write(options, report)
    return 0 if report.samples.all else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.compare", description=__doc__)
    parser.add_argument("--rounds", type=_positive, default=3)
    parser.add_argument("--seconds", type=_positive, default=4, help="of each run")
    parser.add_argument("--connections", type=_positive, default=64)
    parser.add_argument("--quick", action="store_true", help="one round of one second")
    parser.add_argument("--half-rate", type=float, help="requests/s of `half`, the same for all")
    _add_choice(parser, "--systems", list(SYSTEMS))
    _add_choice(parser, "--scenarios", list(BY_NAME))
    for kind in ("json", "markdown", "chart"):
        parser.add_argument(f"--{kind}", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds, options.seconds = 1, 1
    return options


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _add_choice(parser: argparse.ArgumentParser, option: str, names: list[str]) -> None:
    def several(text: str) -> list[str]:
        chosen = text.split(",")
        if unknown := [name for name in chosen if name not in names]:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}")
        return [name for name in names if name in chosen]

    parser.add_argument(
        option, type=several, default=names, metavar="A,B", help=f"of {', '.join(names)}"
    )


def _unable(options: argparse.Namespace) -> str | None:
    """Found out before the minutes are spent, not after."""
    return (
        load.missing()
        or SYSTEMS["nginx"].missing()  # it is the backend too
        or (chart.missing() if options.chart else None)
    )


def _run(options: argparse.Namespace, present: list[str], skipped: dict[str, str]) -> Report:
    plan = Plan(
        systems=tuple(SYSTEMS[name] for name in present),
        scenarios=tuple(scenario for scenario in ALL if scenario.name in options.scenarios),
        rounds=options.rounds,
        seconds=options.seconds,
        connections=options.connections,
        half_rate=options.half_rate,
    )
    facts = _facts(plan)
    step_aside()
    # A short path: a unix socket's is limited to 107 bytes.
    with tempfile.TemporaryDirectory(prefix="lb-bench-") as name:
        folder = Path(name)
        backend = Backend(folder / "backend", share_out(1).backend)
        comparison = Comparison(plan, folder, backend, say=lambda line: print(line, flush=True))
        try:
            backend.start()
            samples = comparison.run()
        finally:
            comparison.stop()
            backend.stop()
    return Report(
        samples=samples,
        scenarios=plan.scenarios,
        systems={system.name: (system.title, system.version()) for system in plan.systems},
        skipped=skipped | comparison.failures,
        facts=facts,
    )


def _facts(plan: Plan) -> tuple[str, ...]:
    versions = ", ".join(f"{system.title} {system.version()}" for system in plan.systems)
    facts = [
        f"`{shlex.join(['python', '-m', 'tests.bench.compare', *sys.argv[1:]])}`",
        describe_machine(),
        versions,
        (
            f"{plan.rounds} interleaved rounds of {plan.seconds} s, medians; {plan.connections} "
            f"connections, {BACKENDS} backends, one core for the proxy"
        ),
    ]
    if share_out(2).shared and any(scenario.workers > 1 for scenario in plan.scenarios):
        facts.append(
            "Two workers share their cores with the load on this machine: "
            "their CPU per request counts, their requests/s do not"
        )
    return tuple(facts)


def _write(options: argparse.Namespace, report: Report) -> None:
    if options.json:
        options.json.write_text(report.json())
    if options.markdown:
        options.markdown.write_text(report.markdown())
    if options.chart:
        chart.draw(report, options.chart)


if __name__ == "__main__":
    sys.exit(main())
