// The names of what a chart shows: buttons that take it out of the chart and back.

import { element } from "./table.js";

/** `hidden`: the names that are out; `toggle(name)` is called for a click. */
export function showLegend(place, traces, hidden, toggle) {
  const focused = [...place.children].indexOf(document.activeElement);
  const named = traces.filter(({ name }) => name);
  place.replaceChildren(...named.map((trace) => entry(trace, hidden.has(trace.name), toggle)));
  place.children[focused]?.focus();
}

function entry({ name, marker, line }, isHidden, toggle) {
  const swatch = element("i", [], { style: `background: ${line?.color ?? marker.color}` });
  const made = element("button", [swatch, name], {
    type: "button",
    "aria-pressed": String(!isHidden),
  });
  made.addEventListener("click", () => toggle(name));
  return made;
}
