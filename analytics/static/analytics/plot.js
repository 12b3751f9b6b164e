// Drawing with Plotly (a global, see https://plotly.com/javascript/): what all charts share.
// It knows no time zones: what a clock on the wall shows is what it is given, and gives back.

import { fromLocal, wallClock } from "./zone.js";

// Where a plot begins and ends within its element, in pixels: the lane of marks above it is
// laid out by the same numbers.
export const LEFT = 68; // room for "0.001 ms"
export const RIGHT = 12;

const HEIGHT = 280;
const LABEL = 95; // pixels for each label of the axis of time
const CONFIG = { displayModeBar: false, doubleClick: false, showTips: false };
// A finger that moves over a chart scrolls the page.
const dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";

/** `lines`: times at which marks are drawn. `range`: of the time axis; none if it has none.
 *
 * To be called again when the element's width changes. What Plotly does itself about that takes
 * the plot out of the page meanwhile.
 */
export function draw(element, { traces, layout = {} }, colour, range, lines) {
  const time = range && timeAxis(range.map(wallClock), element, colour);
  const whole = {
    width: element.clientWidth,
    height: HEIGHT,
    margin: { l: LEFT, r: RIGHT, t: 8, b: 44 },
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    font: { family: "Inter, sans-serif", size: 12, color: colour("text") },
    hoverlabel: {
      bgcolor: colour("surface"),
      bordercolor: colour("grid"),
      font: { color: colour("text") },
    },
    hovermode: "x unified",
    dragmode: range ? dragmode : false,
    showlegend: false, // there is one beside the plot, which takes no room from it
    ...layout,
    xaxis: { ...axis(colour), ...time, ...layout.xaxis },
    yaxis: { ...axis(colour), fixedrange: true, rangemode: "tozero", ...layout.yaxis },
    shapes: lines.map((at) => verticalLine(wallClock(at), colour)),
  };
  const drawn = time ? traces.map((trace) => ({ ...trace, x: trace.x.map(wallClock) })) : traces;
  return Plotly.react(element, drawn, whole, CONFIG);
}

/** `select` gets both ends, in milliseconds, of a range of the time axis that was dragged over. */
export function onDragged(element, select, reset) {
  element.on("plotly_relayout", (change) => {
    const ends = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (ends[0] !== undefined) select(...ends.map(inMilliseconds));
  });
  element.on("plotly_doubleclick", reset);
}

/** Plotly gives it as "2026-11-21 16:00:00.5". */
function inMilliseconds(end) {
  return fromLocal(Date.parse(`${end.replace(" ", "T")}Z`));
}

function axis(colour) {
  return {
    gridcolor: colour("grid"),
    linecolor: colour("grid"),
    zerolinecolor: colour("grid"),
    automargin: false,
  };
}

function timeAxis(range, { clientWidth }, colour) {
  return {
    type: "date",
    range,
    hoverformat: "%-d %b %Y, %H:%M:%S",
    showgrid: false,
    ticks: "outside",
    ticklen: 7, // below the lowest label of the other axis, half of which is as low
    tickcolor: colour("grid"),
    tickangle: 0,
    nticks: Math.max(2, Math.floor(clientWidth / LABEL)),
  };
}

function verticalLine(at, colour) {
  return {
    type: "line",
    xref: "x",
    yref: "paper",
    x0: at,
    x1: at,
    y0: 0,
    y1: 1,
    layer: "above",
    line: { color: colour("mark"), width: 1, dash: "dot" },
  };
}
