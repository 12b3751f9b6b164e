"""The comparison as tables: for the terminal, for the README, and as JSON."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.bench.cores import share_out
from tests.bench.measure import Samples, Spread
from tests.bench.scenarios import BY_NAME, Scenario

BASES = ("haproxy", "nginx")
BUSY_ENOUGH = 0.9
QUIET_ENOUGH = 0.05


@dataclass(frozen=True)
class Report:
    """`systems` maps a name to its title and version, in the order of the tables."""

    samples: Samples
    scenarios: tuple[Scenario, ...]
    systems: dict[str, tuple[str, str]]
    skipped: dict[str, str]
    facts: tuple[str, ...]  # the machine, the command, the layout

    def terminal(self) -> str:
        parts = ["", *self.facts, "", *_aligned(self._summary())]
        for scenario in self.scenarios:
            parts += ["", scenario.title, *_aligned(self._details(scenario))]
        return "\n".join([*parts, "", *self.remarks()])

    def markdown(self) -> str:
        parts = ["CPU µs per request (in brackets: times HAProxy, same round):", ""]
        parts += [*_piped(self._summary()), ""]
        for scenario in self.scenarios:
            parts += ["<details><summary>" + scenario.title + "</summary>", ""]
            parts += [*_piped(self._details(scenario)), "", "</details>", ""]
        parts += [f"- {line}" for line in (*self.facts, *self.remarks())]
        return "\n".join([*parts, ""])

    def json(self) -> str:
        content: dict[str, Any] = {
            "facts": self.facts,
            "systems": self.systems,
            "skipped": self.skipped,
            "samples": [sample.as_dict() for sample in self.samples.all],
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def remarks(self) -> list[str]:
        """What a reader has to know to trust the figures, errors first."""
        lines = [
            f"ERRORS in round {sample.round + 1}, {sample.scenario}, "
            f"{self.systems[sample.system][0]}: {sample.errors} of {sample.requests} requests"
            for sample in self.samples.with_errors()
        ]
        lines += [f"Left out: {name}: {reason}" for name, reason in self.skipped.items()]
        return lines + self._idle_cores() + self._others() + self._apart()

    def _idle_cores(self) -> list[str]:
        """Requests/s of a proxy that was not busy are the load generator's, not its own."""
        found = []
        for scenario in self.scenarios:
            names = [
                f"{self.systems[name][0]} {busy.middle:.0%}"
                for name in self.systems
                if not scenario.paced
                and (busy := self.samples.spread(name, scenario.name, "busy"))
                and busy.middle < BUSY_ENOUGH
            ]
            if names:
                found.append(
                    f"{scenario.name}: did not fill the core, so requests/s understates: "
                    + ", ".join(names)
                )
        return found

    def _others(self) -> list[str]:
        """Whether the machine was as quiet as a fair comparison needs."""
        shares = [
            sample.others
            for sample in self.samples.all
            if not share_out(BY_NAME[sample.scenario].workers).shared
        ]
        if not shares or max(shares) < QUIET_ENOUGH:
            return []
        shown = f"{median(shares):.0%} of the proxy's core (median), {max(shares):.0%} at worst"
        return [f"Something else took {shown}: a quieter machine gives clearer figures"]

    def _apart(self) -> list[str]:
        highest = max((sample.cpu_apart for sample in self.samples.all), default=0.0)
        return (
            [f"Redis, apart from the edge: at most {highest:.1f} µs a request"] if highest else []
        )

    def _summary(self) -> list[list[str]]:
        rows = [["system", *(scenario.name for scenario in self.scenarios)]]
        for name, (title, _) in self.systems.items():
            rows.append([title, *(self._cell(name, scenario.name) for scenario in self.scenarios)])
        return rows

    def _cell(self, system: str, scenario: str) -> str:
        cpu = self.samples.spread(system, scenario, "cpu")
        if cpu is None:
            return "-"
        ratio = self.samples.ratio(system, BASES[0], scenario)
        flag = " (!)" if any(run.errors for run in self.samples.of(system, scenario)) else ""
        return _micros(cpu.middle) + (f" ({ratio.middle:.2f})" if ratio else "") + flag

    def _details(self, scenario: Scenario) -> list[list[str]]:
        header = ["system", "CPU µs", "low-high", "user", "system"]
        header += [f"/ {self.systems.get(base, (base, ''))[0]}" for base in BASES]
        header += ["req/s", "busy", "p50 ms", "p99 ms", "peak MiB", "errors"]
        measured = [name for name in self.systems if self.samples.of(name, scenario.name)]
        return [header, *(self._detail(name, scenario.name) for name in measured)]

    def _detail(self, system: str, scenario: str) -> list[str]:
        def figure(name: str) -> Spread:
            spread = self.samples.spread(system, scenario, name)
            assert spread is not None  # asked only for what was measured
            return spread

        ratios = [self.samples.ratio(system, base, scenario) for base in BASES]
        cpu = figure("cpu")
        failed = sum(bool(run.errors) for run in self.samples.of(system, scenario))
        return [
            self.systems[system][0],
            _micros(cpu.middle),
            f"{_micros(cpu.low)}-{_micros(cpu.high)}",
            _micros(figure("cpu_user").middle),
            _micros(figure("cpu_system").middle),
            *(f"{ratio.middle:.2f}" if ratio else "-" for ratio in ratios),
            f"{figure('rate').middle:,.0f}",
            f"{figure('busy').middle:.0%}",
            f"{figure('p50').middle:.2f}",
            f"{figure('p99').middle:.2f}",
            f"{figure('memory').middle / 2**20:.0f}",
            f"in {failed} runs" if failed else "none",
        ]


def _micros(value: float) -> str:
    return f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _piped(rows: Sequence[Sequence[str]]) -> list[str]:
    header, *body = rows
    rule = ["---", *["---:"] * (len(header) - 1)]
    return ["| " + " | ".join(row) + " |" for row in (header, rule, *body)]
