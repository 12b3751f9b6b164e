// Percentiles of latency over time.

import { lineOver, rangeOf, whenOf } from "./series.js";
import { milliseconds, number } from "../wording.js";

export const endpoint = "latency/";

const LINES = [
  { key: "p50", name: "50 %", colour: "series-a" },
  { key: "p90", name: "90 %", colour: "series-b" },
  { key: "p99", name: "99 %", colour: "series-c" },
  { key: "p999", name: "99.9 %", colour: "series-d" },
];

export function figure(answer, colour) {
  const { series, totals } = answer;
  if (!totals.total) return { words: "No request was timed in this time." };
  return {
    traces: LINES.map((line) =>
      lineOver(series, line.name, colour(line.colour), ({ latency_ms }) => latency_ms?.[line.key]),
    ),
    layout: { yaxis: { ticksuffix: " ms" } },
    range: rangeOf(answer),
    tables: [tableOf(answer)],
  };
}

function tableOf({ series, totals }) {
  const row = (when, requests, latency) => [
    when,
    number(requests),
    ...["avg", "min", "p50", "p90", "p95", "p99", "p999", "max"].map((key) => milliseconds(latency[key])),
  ];
  const timed = series.filter(({ latency_ms }) => latency_ms);
  return {
    caption: "Latency over time",
    headers: ["From", "Requests", "Average", "Fastest", "50 %", "90 %", "95 %", "99 %", "99.9 %", "Slowest"],
    rows: [
      row("All of it", totals.requests, totals.total),
      ...timed.map((bucket) => row(whenOf(bucket), bucket.requests, bucket.latency_ms)),
    ],
  };
}
