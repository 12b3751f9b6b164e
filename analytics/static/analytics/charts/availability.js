// When pools and, of one pool, its backends could serve: a strip each.

import { percent, plain, seconds } from "../wording.js";

export const endpoint = "availability/";
export const parameters = () => ({ top: 25 }); // those that were down for longest

const STRIP = 34; // pixels, of which the name takes the upper part
const STATES = ["down", "degraded", "up"]; // down for most of a cell, for some of it, not at all

export function figure(answer, colour) {
  const { strips } = answer;
  if (!strips.some(({ uptime }) => uptime.some((value) => value !== null))) {
    return { words: "No backend was probed in this time." };
  }
  const shown = [...strips].reverse(); // Plotly counts from the ground up
  return {
    traces: shown.map((strip, index) => traceOf(strip, index, colour)),
    layout: {
      height: STRIP * shown.length + 60,
      hovermode: "closest",
      yaxis: { visible: false, range: [-0.5, shown.length - 0.5] },
      annotations: shown.map((strip, index) => nameOf(strip, index, answer)),
    },
    range: rangeOf(answer),
    tables: [
      tableOf(
        "Pools",
        answer.pools.map((one) => [one.pool, one]),
        answer,
      ),
      tableOf(
        "Backends",
        answer.backends.map((one) => [`${one.pool}/${one.backend}`, one]),
        answer,
      ),
    ],
  };
}

/** Of everything, where the first strip begins. */
function rangeOf({ since, until, strips }) {
  const starts = strips.map(({ start }) => Date.parse(start));
  return [since ? Date.parse(since) : Math.min(...starts), Date.parse(until)];
}

function traceOf({ start, step, uptime, down }, index, colour) {
  const first = Date.parse(start);
  const edges = Array.from({ length: uptime.length + 1 }, (_, cell) => first + cell * step * 1000);
  const states = uptime.map(stateOf);
  return {
    type: "heatmap",
    x: edges,
    y: [index - 0.4, index + 0.1],
    z: [states],
    zmin: -1,
    zmax: 2,
    colorscale: scaleOf(colour),
    showscale: false,
    customdata: [uptime.map((value, cell) => wordsOf(value, down[cell]))],
    hovertemplate: "%{customdata}<br>from %{x|%-d %b, %H:%M:%S}<extra></extra>",
  };
}

function stateOf(uptime) {
  if (uptime === null) return -1;
  if (uptime >= 100) return 2;
  return uptime >= 50 ? 1 : 0;
}

/** A colour for each whole number from -1 to 2, without any in between. */
function scaleOf(colour) {
  const colours = ["unknown", ...STATES].map(colour);
  return colours.flatMap((one, index) => [
    [index / 4, one],
    [(index + 1) / 4, one],
  ]);
}

function wordsOf(uptime, down) {
  if (uptime === null) return "nobody knows";
  return down ? `down for ${seconds(down)}` : "up";
}

function nameOf({ pool, backend }, index, { pools, backends }) {
  const found = backend
    ? backends.find((one) => one.pool === pool && one.backend === backend)
    : pools.find((one) => one.pool === pool);
  const name = backend ? `${pool}/${backend}` : `${pool}, by any of its backends`;
  return {
    xref: "paper",
    x: 0,
    xanchor: "left",
    y: index + 0.1,
    yanchor: "bottom",
    text: `${plain(name)}: ${percentUp(found?.uptime)}`,
    showarrow: false,
  };
}

function percentUp(value) {
  return value == null ? "not known" : percent(value, 100);
}

function tableOf(caption, rows, { target }) {
  return {
    caption,
    headers: [
      "Name",
      "Up",
      "Down for",
      "Outages",
      "Mean time to repair",
      "Longest",
      `Left of the time for ${target} %`,
      "Requests without error",
      `Left of the errors for ${target} %`,
    ],
    rows: rows.map(([name, one]) => [
      name,
      percentUp(one.uptime),
      seconds(one.downtime),
      String(one.outages),
      seconds(one.mttr),
      seconds(one.longest),
      left(one.time_budget),
      percentUp(one.availability),
      left(one.request_budget),
    ]),
  };
}

function left({ left_percent }) {
  return percentUp(left_percent);
}
