// Answers by the class of their status, stacked over time.

import { barsOver, rangeOf, whenOf } from "./series.js";
import { number, percent } from "../wording.js";

export const endpoint = "traffic/";
export const parameters = () => ({ top: 50 }); // backends, those with most requests

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
    tables: [
      tableOf("Over time", "From", seen, [
        ["All of it", totals],
        ...series.filter(({ requests }) => requests).map((bucket) => [whenOf(bucket), bucket]),
      ]),
      tableOf(
        "By backend",
        "Backend",
        seen,
        answer.backends.map((one) => [`${one.pool}/${one.backend}`, one]),
      ),
    ],
  };
}

function countOf(sums, name) {
  return sums[`status_${name}`];
}

function tableOf(caption, first, seen, rows) {
  return {
    caption,
    headers: [first, "Requests", ...seen, "Errors"],
    rows: rows.map(([name, sums]) => [
      name,
      number(sums.requests),
      ...seen.map((status) => number(countOf(sums, status))),
      percent(sums.errors, sums.requests),
    ]),
  };
}
