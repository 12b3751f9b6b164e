// What a click on a mark opens: what happened there and, of a change of the configuration,
// what it changed.

import { fetchJson } from "./fetching.js";
import { element, link, tableOf } from "./table.js";
import { time } from "./wording.js";

const dialog = document.getElementById("mark");

export function show(marks, urls) {
  dialog.querySelector("h2").textContent =
    marks.length > 1 ? `${marks.length} things happened` : time(marks[0].at);
  const list = dialog.querySelector(".lb-happenings");
  list.replaceChildren(...marks.map((mark) => happening(mark, urls)));
  dialog.showModal();
  const [changed, ...others] = marks.filter(({ event }) => event.data.revision);
  if (changed && !others.length) showDifference(list, changed.event.data.revision, urls);
}

function happening({ at, severity, subject, event }, urls) {
  const by = event.actor ? `, by ${event.actor}` : "";
  return element("article", [
    element("p", [element("time", [time(at)]), ` · ${subject.name}${by}`], { class: "lb-about" }),
    element("p", [event.message], { class: `lb-happened lb-${severity}` }),
    element("p", linksOf(event, urls), { class: "lb-links" }),
  ]);
}

function linksOf({ id, data }, urls) {
  const links = [link("On the timeline", `${urls.event_page}${id}/change/`)];
  const number = data.revision;
  if (number) {
    links.push(link(`Revision ${number}`, `${urls.revision_page}${number}/`));
    links.push(link("Before and after it", `${urls.compare_page}?revision=${number}`));
  }
  return links;
}

async function showDifference(list, revision, urls) {
  const words = element("p", ["Loading what it changed …"], { class: "lb-about" });
  list.append(words);
  try {
    const { diff } = await fetchJson(`${urls.revisions}${revision}/`, {});
    words.replaceWith(element("div", [tableOf(differenceOf(diff))], { class: "lb-scroll" }));
  } catch (error) {
    words.textContent = error.message;
  }
}

function differenceOf(diff) {
  return {
    caption: "What it changed",
    headers: ["What", "Field", "Before", "After"],
    rows: diff.flatMap(({ action, kind, name, fields }) => {
      const what = `${kind} ${name}`;
      const changed = Object.entries(fields ?? {});
      if (!changed.length) return [[what, action, "", ""]];
      return changed.map(([field, [before, after]]) => [
        what,
        field,
        inWords(before),
        inWords(after),
      ]);
    }),
    numeric: false,
  };
}

function inWords(value) {
  return typeof value === "string" && value ? value : JSON.stringify(value);
}
