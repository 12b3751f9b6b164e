// What charts over time have in common: the buckets of an answer's `series`, each as wide as
// its `seconds`.

import { time } from "../wording.js";

/** Both ends of the axis of time, in milliseconds. */
export function rangeOf({ since, until, series }) {
  return [Date.parse(since ?? series[0]?.at ?? until), Date.parse(until)];
}

/** Both ends of the buckets that a time between `from` and `to` is in. */
export function bucketsWithin(series, from, to) {
  const touched = series
    .map(({ at, seconds }) => ({ start: Date.parse(at), end: Date.parse(at) + seconds * 1000 }))
    .filter(({ start, end }) => start < to && end > from);
  return touched.length ? [touched[0].start, touched.at(-1).end] : [from, to];
}

export function whenOf({ at }) {
  return time(at);
}

/** Counts as rates: the first and the last bucket may be cut, and count for less time. */
export function barsOver(series, name, colour, countOf) {
  const counts = series.map(countOf);
  return {
    type: "bar",
    name,
    x: series.map(({ at }) => Date.parse(at)),
    y: series.map(({ seconds }, index) => counts[index] / seconds),
    customdata: counts,
    offset: 0,
    width: series.map(({ seconds }) => seconds * 1000),
    marker: { color: colour, line: { width: 0 } },
    hovertemplate: "%{y:,.3~r}/s (%{customdata:,})",
  };
}

/** A line with a gap where there is no value, and a dot where there is no neighbour to join. */
export function lineOver(series, name, colour, valueOf) {
  const values = series.map(valueOf);
  const alone = values.map((_, index) => values[index - 1] == null && values[index + 1] == null);
  return {
    type: "scatter",
    mode: "lines+markers",
    name,
    x: series.map(({ at, seconds }) => Date.parse(at) + seconds * 500), // the bucket's middle
    y: values,
    line: { color: colour, width: 1.75 },
    marker: { color: colour, size: alone.map((isAlone) => (isAlone ? 6 : 0)), line: { width: 0 } },
    connectgaps: false,
    hovertemplate: "%{y:,.3~g} ms",
  };
}
