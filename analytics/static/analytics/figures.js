// The numbers on top of the page.

import { element } from "./table.js";
import { milliseconds, number, percent } from "./wording.js";

const place = document.getElementById("report-figures");

export function showFigures({ totals }) {
  const latency = totals.latency_ms;
  place.replaceChildren(
    figure("Requests", number(totals.requests), `${number(totals.answered_by_edge)} reached no backend`),
    figure("Errors", percent(totals.errors, totals.requests), `${number(totals.errors)} answers of 500 or more`),
    figure("Median latency", milliseconds(latency?.p50), "half of the answers came within it"),
    figure("99 % latency", milliseconds(latency?.p99), `the slowest took ${milliseconds(latency?.max)}`),
    figure("Given up", number(totals.client_aborts), "by the client, before its answer"),
  );
}

function figure(name, value, note) {
  const about = (text) => element("p", [text], { class: "lb-about" });
  return element("div", [about(name), element("strong", [value]), about(note)], { class: "lb-card" });
}
