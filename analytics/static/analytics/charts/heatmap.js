// How many requests took how long, over time: what percentiles hide, such as two humps.

import { rangeOf } from "./series.js";
import { milliseconds, number, percent } from "../wording.js";

export { endpoint, parameters } from "./latency.js";

const LEAST = 0.001; // milliseconds: what is timed is timed in microseconds
const AROUND = 0.2; // powers of ten that are shown above and below

export function figure(answer, colour) {
  const map = answer.heat_map;
  if (!map.rows.length) return { words: "No request was timed in this time." };
  const edges = edgesOf(map.rows);
  const range = [Math.log10(edges[0]) - AROUND, Math.log10(edges.at(-1)) + AROUND];
  return {
    traces: [traceOf(map, edges, answer.until, colour)],
    layout: {
      hovermode: "closest",
      yaxis: { type: "log", range, showgrid: false, ...ticksOf(range) },
    },
    range: rangeOf(answer),
    tables: [tableOf(map)],
  };
}

/** 1, 2 and 5 of each power of ten: left to itself, Plotly writes a bare 2 for 0.2 as for 20. */
function ticksOf([low, high]) {
  const digits = high - low > 3 ? [1] : [1, 2, 5];
  const tickvals = [];
  for (let power = Math.floor(low); power <= high; power++) {
    tickvals.push(...digits.map((digit) => Number(`${digit}e${power}`)));
  }
  return { tickvals, ticktext: tickvals.map(milliseconds) };
}

/** Above zero, which a logarithmic axis does not have. */
function edgesOf(rows) {
  return [rows[0].low_ms, ...rows.map(({ high_ms }) => high_ms)].map((edge) =>
    Math.max(edge, LEAST),
  );
}

function traceOf({ rows, columns, counts }, edges, until, colour) {
  return {
    type: "heatmap",
    x: [...columns, until].map((at) => Date.parse(at)), // edges, as are those of y
    y: edges,
    // Few slow requests beside many fast ones are what one looks for: so, by magnitude.
    z: counts.map((row) => row.map((count) => (count ? Math.log10(count) : null))),
    zmin: 0,
    customdata: counts.map((row, index) =>
      row.map((count) => [number(count), bandOf(rows[index])]),
    ),
    colorscale: [
      [0, colour("heat-low")],
      [1, colour("heat-high")],
    ],
    showscale: false,
    hovertemplate:
      "%{customdata[0]} requests<br>%{customdata[1]}<br>from %{x|%-d %b, %H:%M:%S}<extra></extra>",
    hoverongaps: false,
  };
}

function bandOf({ low_ms, high_ms }) {
  return `${milliseconds(low_ms)} to ${milliseconds(high_ms)}`;
}

function tableOf({ rows, counts }) {
  const sums = counts.map((row) => row.reduce((sum, count) => sum + count, 0));
  const all = sums.reduce((sum, count) => sum + count, 0);
  return {
    caption: "How many requests took how long",
    headers: ["Took", "Requests", "Part of all"],
    rows: rows.map((row, index) => [bandOf(row), number(sums[index]), percent(sums[index], all)]),
  };
}
