// What went wrong, by cause, over time.

import { barsOver, rangeOf, whenOf } from "./series.js";
import { number, percent } from "../wording.js";

export const endpoint = "errors/";
export const parameters = () => ({ top: 50 }); // backends, those with most errors

// Of tries with a backend, and of requests that the edge refused.
const CAUSES = [
  { key: "connect", name: "No connection", colour: "series-d" },
  { key: "timeout", name: "No answer in time", colour: "series-c" },
  { key: "cut", name: "Answer cut short", colour: "series-f" },
  { key: "bad_response", name: "Answer of no use", colour: "series-a" },
  { key: "rejected_rate_limit", name: "Rate limit", colour: "series-b" },
  { key: "rejected_queue", name: "Queue full", colour: "series-e" },
  { key: "rejected_no_backend", name: "No backend left", colour: "series-g" },
];

export function figure(answer, colour) {
  const { series, totals, backends } = answer;
  const seen = CAUSES.filter(({ key }) => totals.causes[key]);
  if (!seen.length && !totals.errors) return { words: "Nothing went wrong in this time." };
  const busy = series.filter(hasFailed);
  return {
    traces: seen.map(({ key, name, colour: own }) =>
      barsOver(series, name, colour(own), ({ causes }) => causes[key]),
    ),
    layout: { barmode: "stack", bargap: 0, yaxis: { ticksuffix: "/s" } },
    range: rangeOf(answer),
    tables: [
      tableOf("By backend", "Backend", seen, [
        ["All of them", totals],
        ...backends.filter(hasFailed).map((one) => [`${one.pool}/${one.backend}`, one]),
      ]),
      tableOf(
        "Over time",
        "From",
        seen,
        busy.map((bucket) => [whenOf(bucket), bucket]),
      ),
    ],
  };
}

function hasFailed({ errors, causes }) {
  return errors || Object.values(causes).some(Boolean);
}

function tableOf(caption, first, seen, rows) {
  return {
    caption,
    headers: [first, "Answers of 500 or more", "Part of all", ...seen.map(({ name }) => name)],
    rows: rows.map(([name, one]) => [
      name,
      number(one.errors),
      percent(one.rate),
      ...seen.map(({ key }) => number(one.causes[key])),
    ]),
  };
}
