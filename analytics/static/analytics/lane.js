// The marks above a chart: buttons at the places of its axis of time where something happened.

import { LEFT, RIGHT } from "./plot.js";
import { element, iconOf } from "./table.js";
import { time } from "./wording.js";

const WIDTH = 22; // of a button in pixels; marks closer than that are one
const FEW = 8;
const SEVERITIES = ["info", "warning", "error"];

/** Lay the marks out; returns the times at which the chart below gets a line.
 *
 * These are all of them if they are few, and else those at which somebody changed something.
 */
export function layOut(lane, marks, [start, end], open) {
  const width = lane.clientWidth - LEFT - RIGHT;
  if (width <= 0 || end <= start) return [];
  const place = (at) => ((at - start) / (end - start)) * width;
  const groups = groupsOf(
    marks.filter(({ at }) => at >= start && at <= end),
    place,
  );
  const focused = [...lane.children].indexOf(document.activeElement);
  lane.replaceChildren(
    ...groups.map((group) => button(group, LEFT + place(group[0].at), () => open(group))),
  );
  lane.children[focused]?.focus();
  const lined = groups.length > FEW ? groups.filter(isChange) : groups;
  return lined.map((group) => group[0].at);
}

function isChange(group) {
  return group.some(({ event }) => event.data.revision);
}

/** Neighbours that would cover the first of them stand in its place. */
function groupsOf(marks, place) {
  const groups = [];
  for (const mark of marks) {
    const last = groups.at(-1);
    if (last && place(mark.at) - place(last[0].at) < WIDTH) last.push(mark);
    else groups.push([mark]);
  }
  return groups;
}

function button(group, left, open) {
  const worst = SEVERITIES.findLast((severity) => group.some((mark) => mark.severity === severity));
  const words = wordsOf(group);
  const sign = group.length > 1 ? countOf(group) : iconOf(group[0].subject.icon);
  const made = element("button", [sign], {
    type: "button",
    class: `lb-${worst}`,
    title: words,
    "aria-label": words,
    "data-events": group.map(({ event }) => event.id).join(" "),
    style: `left: ${left}px`,
  });
  made.addEventListener("click", open);
  return made;
}

function countOf(group) {
  return group.length > 99 ? "99+" : String(group.length);
}

function wordsOf(group) {
  const told = group.slice(0, 5).map(({ at, event }) => `${time(at)}: ${event.message}`);
  const more = group.length > told.length ? [`and ${group.length - told.length} more`] : [];
  return [...told, ...more].join("\n");
}
