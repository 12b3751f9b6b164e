// What each backend got of its pool's requests, beside what was planned.

import { number, percent, plain } from "../wording.js";

export const endpoint = "distribution/";
export const parameters = { top: 40 }; // those that are furthest from their plan

// By the verdict: only what nothing explains is alarming.
const VERDICTS = [
  { name: "got", colour: "series-a", isOf: (verdict) => !/explained/.test(verdict) },
  { name: "got, with a reason to differ", colour: "warning", isOf: (verdict) => verdict === "explained" },
  { name: "got, for no known reason", colour: "error", isOf: (verdict) => verdict === "unexplained" },
];

export function figure({ backends, backend_count, requests }, colour) {
  if (!requests) return { words: "No request reached a backend in this time." };
  const shown = [...backends].sort((one, other) => nameOf(one).localeCompare(nameOf(other)));
  const isOnePool = new Set(shown.map(({ pool }) => pool)).size === 1;
  const names = shown.map((one) => plain(isOnePool ? one.backend : nameOf(one)));
  return {
    traces: [
      barsOf("planned", names, shown.map(({ planned }) => planned), colour("planned")),
      ...VERDICTS.filter(({ isOf }) => shown.some(({ verdict }) => isOf(verdict))).map((one) =>
        barsOf(
          one.name,
          names,
          shown.map(({ verdict, share }) => (one.isOf(verdict) ? share : null)),
          colour(one.colour),
          1,
        ),
      ),
    ],
    layout: {
      barmode: "overlay",
      xaxis: { automargin: true, fixedrange: true, showgrid: false },
      yaxis: { tickformat: ".0%" },
    },
    tables: [tableOf(shown, backend_count)],
  };
}

function nameOf({ pool, backend }) {
  return `${pool}/${backend}`;
}

/** Bars of one group stand in the same place beside those of the other. */
function barsOf(name, x, y, color, group = 0) {
  return {
    ...{ type: "bar", name, x, y, marker: { color }, hovertemplate: "%{y:.2%}" },
    ...{ width: 0.38, offset: group ? 0.01 : -0.39 },
  };
}

function tableOf(shown, count) {
  const rest = count - shown.length;
  return {
    caption: rest ? `The ${shown.length} furthest from their plan; ${number(rest)} more` : "All backends",
    headers: ["Backend", "Requests", "Planned", "Got", "Why"],
    rows: shown.map((one) => [
      nameOf(one),
      number(one.requests),
      percent(one.planned),
      percent(one.share),
      one.words,
    ]),
    numeric: false,
  };
}
