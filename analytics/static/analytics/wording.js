// Numbers and times as people read them.

import { toLocal } from "./zone.js";

const LOCALE = "en-GB";
const UTC = { timeZone: "UTC" };
const count = new Intl.NumberFormat("en");
const share = new Intl.NumberFormat("en", { style: "percent", maximumFractionDigits: 2 });
const day = new Intl.DateTimeFormat(LOCALE, {
  ...UTC,
  day: "numeric",
  month: "short",
  year: "numeric",
});
const clock = new Intl.DateTimeFormat(LOCALE, { ...UTC, timeStyle: "medium" });

const UNITS = [
  ["d", 86400],
  ["h", 3600],
  ["min", 60],
];

export const NONE = "–";

export function number(value) {
  return value == null ? NONE : count.format(value);
}

export function percent(part, whole = 1) {
  return part == null || !whole ? NONE : share.format(part / whole);
}

export function milliseconds(value) {
  if (value == null) return NONE;
  if (value >= 10_000) return `${(value / 1000).toPrecision(3)} s`;
  return `${value >= 100 ? value.toFixed(0) : Number(value.toPrecision(3))} ms`;
}

/** `at`: milliseconds since 1970, or a time as the API gives it. */
export function time(at) {
  const date = new Date(toLocal(new Date(at).valueOf()));
  return `${day.format(date)}, ${clock.format(date)}`;
}

/** Both ends, the day of the second only where it is another one. */
export function span(since, until) {
  const [first, last] = [time(since), time(until)];
  const [date, hour] = last.split(", ");
  return `${first} to ${first.startsWith(date) ? hour : last}`;
}

/** A length of time in its largest unit. */
export function seconds(value) {
  if (value == null) return NONE;
  const [unit, size] = UNITS.find(([, size]) => value >= size) ?? ["s", 1];
  return `${Number((value / size).toPrecision(3))} ${unit}`;
}

/** "10s" → "10 s", "1m" → "1 min" */
export function stepInWords(step) {
  const [, count, unit] = step.match(/^(\d+)(\w)$/);
  return `${count} ${unit === "m" ? "min" : unit}`;
}

/** Names in a chart's text, where Plotly would take tags for its own. */
export function plain(text) {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
