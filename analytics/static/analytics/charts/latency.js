// Percentiles of latency over time.

import { lineOver, rangeOf, whenOf } from "./series.js";
import { milliseconds, number } from "../wording.js";

export const endpoint = "latency/";
export const parameters = ({ kind }) => ({ kind, top: 50 }); // backends, the slowest

const LINES = [
  { key: "p50", name: "50 %", colour: "series-a" },
  { key: "p90", name: "90 %", colour: "series-b" },
  { key: "p99", name: "99 %", colour: "series-c" },
  { key: "p999", name: "99.9 %", colour: "series-d" },
];

const COLUMNS = [
  ["avg", "Average"],
  ["min", "Fastest"],
  ["p50", "50 %"],
  ["p90", "90 %"],
  ["p95", "95 %"],
  ["p99", "99 %"],
  ["p999", "99.9 %"],
  ["max", "Slowest"],
];

export function figure(answer, colour) {
  const { kind, series, totals, backends } = answer;
  if (!totals[kind]) return { words: "No request was timed in this time." };
  return {
    traces: LINES.map((line) =>
      lineOver(series, line.name, colour(line.colour), ({ latency_ms }) => latency_ms?.[line.key]),
    ),
    layout: { yaxis: { ticksuffix: " ms" } },
    range: rangeOf(answer),
    tables: [
      tableOf("Over time", "From", [
        ["All of it", totals.requests, totals[kind]],
        ...series.filter(isTimed).map((one) => [whenOf(one), one.requests, one.latency_ms]),
      ]),
      tableOf(
        "By backend",
        "Backend",
        backends
          .filter((one) => one[kind])
          .map((one) => [`${one.pool}/${one.backend}`, one.requests, one[kind]]),
      ),
    ],
  };
}

function isTimed({ latency_ms }) {
  return latency_ms;
}

function tableOf(caption, first, rows) {
  return {
    caption,
    headers: [first, "Requests", ...COLUMNS.map(([, name]) => name)],
    rows: rows.map(([name, requests, latency]) => [
      name,
      number(requests),
      ...COLUMNS.map(([key]) => milliseconds(latency[key])),
    ]),
  };
}
