// The numbers on top of the page.

import { element } from "./table.js";
import { milliseconds, number, percent } from "./wording.js";

const place = document.getElementById("report-figures");

export function showFigures({ totals }) {
  const { requests, errors, answered_by_edge: byEdge, latency_ms: latency } = totals;
  const slowest = milliseconds(latency?.max);
  place.replaceChildren(
    figure("Requests", number(requests), `${number(byEdge)} reached no backend`),
    figure("Errors", percent(errors, requests), `${number(errors)} answers of 500 or more`),
    figure("Median latency", milliseconds(latency?.p50), "half of the answers came within it"),
    figure("99 % latency", milliseconds(latency?.p99), `the slowest took ${slowest}`),
    figure("Given up", number(totals.client_aborts), "by the client, before its answer"),
  );
}

export function clearFigures() {
  place.replaceChildren();
}

function figure(name, value, note) {
  const about = (text) => element("p", [text], { class: "lb-about" });
  return element("div", [about(name), element("strong", [value]), about(note)], {
    class: "lb-card",
  });
}
