// Answers by the class of their status, stacked over time.

import { barsOver, rangeOf, whenOf } from "./series.js";
import { number, percent } from "../wording.js";

export const endpoint = "traffic/";

const CLASSES = ["2xx", "3xx", "4xx", "5xx", "1xx"]; // from the ground up: the usual ones first

export function figure(answer, colour) {
  const { series, totals } = answer;
  if (!totals.requests) return { words: "No request was answered in this time." };
  const seen = CLASSES.filter((name) => countOf(totals, name));
  return {
    traces: seen.map((name) =>
      barsOver(series, name, colour(name), (bucket) => countOf(bucket, name)),
    ),
    layout: { barmode: "stack", bargap: 0, yaxis: { ticksuffix: "/s" } },
    range: rangeOf(answer),
    tables: [tableOf(answer, seen)],
  };
}

function countOf(sums, name) {
  return sums[`status_${name}`];
}

function tableOf({ series, totals }, seen) {
  const row = (when, sums) => [
    when,
    number(sums.requests),
    ...seen.map((name) => number(countOf(sums, name))),
    percent(sums.errors, sums.requests),
  ];
  const busy = series.filter(({ requests }) => requests);
  return {
    caption: "Requests over time",
    headers: ["From", "Requests", ...seen, "Errors"],
    rows: [row("All of it", totals), ...busy.map((bucket) => row(whenOf(bucket), bucket))],
  };
}
