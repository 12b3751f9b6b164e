// What each backend got of its pool's requests, beside what was planned.

import { number, percent, plain } from "../wording.js";

export const endpoint = "distribution/";
export const parameters = () => ({ top: 40 }); // those that are furthest from their plan

// Places of the two bars of a backend, whose names are one apart.
const WIDTH = 0.38;
const LEFT = -0.39;
const RIGHT = 0.01;

// By the verdict: only what nothing explains is alarming.
const VERDICTS = [
  { name: "got", colour: "series-a", isOf: (verdict) => !/explained/.test(verdict) },
  {
    name: "got, with a reason to differ",
    colour: "warning",
    isOf: (verdict) => verdict === "explained",
  },
  {
    name: "got, for no known reason",
    colour: "error",
    isOf: (verdict) => verdict === "unexplained",
  },
];

export function figure({ backends, backend_count, requests }, colour) {
  if (!requests) return { words: "No request reached a backend in this time." };
  const shown = [...backends].sort((one, other) => nameOf(one).localeCompare(nameOf(other)));
  const isOnePool = new Set(shown.map(({ pool }) => pool)).size === 1;
  const names = shown.map((one) => plain(isOnePool ? one.backend : nameOf(one)));
  return {
    traces: [
      {
        ...barsOf("planned", colour("planned"), LEFT),
        x: names,
        y: shown.map(({ planned }) => planned),
      },
      ...VERDICTS.filter(({ isOf }) => shown.some(({ verdict }) => isOf(verdict))).map((one) => ({
        ...barsOf(one.name, colour(one.colour), RIGHT),
        x: names,
        y: shown.map(({ verdict, share }) => (one.isOf(verdict) ? share : null)),
      })),
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

function barsOf(name, color, offset) {
  return {
    type: "bar",
    name,
    width: WIDTH,
    offset,
    marker: { color },
    hovertemplate: "%{y:.2%}",
  };
}

function tableOf(shown, count) {
  const rest = count - shown.length;
  return {
    caption: rest
      ? `The ${shown.length} furthest from their plan; ${number(rest)} more`
      : "All backends",
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
