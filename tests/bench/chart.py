"""The comparison as a picture: CPU per request, one panel a scenario."""

from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.report import Report
from tests.bench.scenarios import Scenario

if TYPE_CHECKING:
    from matplotlib.axes import Axes

OURS = ("lbsite", "lbsite-log")
OUR_COLOUR, PEER_COLOUR, PYTHON_COLOUR = "#d9480f", "#5c7cfa", "#adb5bd"
PYTHON_PEERS = ("aiohttp", "threads", "fastapi")
COLUMNS = 2
LINEAR_UP_TO = 20  # times the lowest figure


def missing() -> str | None:
    try:
        import matplotlib  # noqa: F401 - wanted for --chart only
    except ImportError:
        return "matplotlib is not installed (pip install '.[bench]')"
    return None


def draw(report: Report, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    measured = {sample.scenario for sample in report.samples.all}
    scenarios = [one for one in report.scenarios if one.name in measured and not one.paced]
    rows = -(-len(scenarios) // COLUMNS)
    figure = Figure(figsize=(11, 0.9 + 2.5 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(rows, COLUMNS, squeeze=False).flat
    for panel in panels[len(scenarios) :]:
        panel.set_axis_off()
    logarithmic = _ranges_widely(report)
    for panel, scenario in zip(panels, scenarios, strict=False):
        _panel(panel, report, scenario, logarithmic)
    scale = "logarithmic" if logarithmic else "linear"
    figure.suptitle(f"CPU per request, µs (lower is better; {scale})", fontsize=12)
    figure.savefig(path, dpi=130)


def _ranges_widely(report: Report) -> bool:
    """A logarithmic scale makes small differences smaller: only where a linear one hides them."""
    figures = [sample.cpu for sample in report.samples.all]
    return max(figures) > LINEAR_UP_TO * min(figures)


def _panel(panel: "Axes", report: Report, scenario: Scenario, logarithmic: bool) -> None:
    """Bars from dear to cheap, each with its figure; the whiskers are the rounds' extremes."""
    bars = sorted(
        (
            (spread, name)
            for name in report.systems
            if (spread := report.samples.spread(name, scenario.name, "cpu"))
        ),
        key=lambda bar: -bar[0].middle,
    )
    drawn = panel.barh(
        [report.systems[name][0] for _, name in bars],
        [spread.middle for spread, _ in bars],
        color=[_colour(name) for _, name in bars],
        xerr=[
            [spread.middle - spread.low for spread, _ in bars],
            [spread.high - spread.middle for spread, _ in bars],
        ],
        error_kw={"elinewidth": 1, "ecolor": "#343a40"},
    )
    panel.bar_label(drawn, [f"{spread.middle:,.0f}" for spread, _ in bars], padding=6, fontsize=8)
    highest = max(spread.high for spread, _ in bars)
    if logarithmic:
        panel.set_xscale("log")
        panel.set_xlim(1, 4 * highest)
    else:
        panel.set_xlim(0, 1.2 * highest)
    panel.xaxis.set_visible(False)
    panel.set_title(scenario.title, fontsize=10, loc="left")
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)
    panel.spines["bottom"].set_visible(False)


def _colour(name: str) -> str:
    if name in OURS:
        return OUR_COLOUR
    return PYTHON_COLOUR if name in PYTHON_PEERS else PEER_COLOUR
