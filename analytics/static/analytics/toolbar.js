// What the page can be asked: the period, of which pool, and which marks to show.

import { SUBJECTS } from "./marks.js";
import { element, iconOf } from "./table.js";
import { span, stepInWords, time } from "./wording.js";
import { addressOf, changeView, inUtc, queryOf, readView, timeOf } from "./view.js";
import { readTyped, wallClock, zoneName } from "./zone.js";

const form = document.getElementById("report-query");
const told = document.getElementById("report-span");
const reset = document.getElementById("report-reset");
const compare = document.getElementById("report-compare");
const legend = document.getElementById("report-marks");
const CHOICES = ["pool", "backend", "route", "kind"];

export class Toolbar {
  #defaultPeriod;
  #lastPeriod;
  #filled = {}; // what the fields of the exact time were given

  constructor(defaultPeriod, onMarksChosen) {
    this.#defaultPeriod = this.#lastPeriod = defaultPeriod;
    form.addEventListener("change", ({ target }) => choose(target));
    form.addEventListener("click", (event) => this.#choosePeriod(event));
    form.addEventListener("submit", submitExact);
    reset.addEventListener("click", () => this.goBack());
    legend.append(...SUBJECTS.map(subjectBox), element("span"));
    legend.addEventListener("change", onMarksChosen);
  }

  /** Show what is asked for. */
  follow(view) {
    const period = view.from ? "" : view.period || this.#defaultPeriod;
    if (period) this.#lastPeriod = period;
    for (const choice of form.querySelectorAll("[data-period]")) {
      choice.href = addressOf({ ...view, period: choice.dataset.period, from: "", to: "" });
      choice.ariaCurrent = String(choice.dataset.period === period);
    }
    for (const name of CHOICES) form.elements[name].value = view[name];
    for (const name of ["from", "to"]) this.#fill(name, inField(view[name]));
    compare.href = `${compare.dataset.page}?${queryOf({ ...view, period })}`;
    compare.hidden = period === "all";
    reset.hidden = Boolean(period);
    reset.lastElementChild.textContent = this.#lastPeriod;
  }

  /** Show what the answer is about. */
  tell({ since, until, step, notes }) {
    const shown = since ? span(since, until) : `Everything until ${time(until)}`;
    told.classList.remove("lb-error");
    const steps = `in steps of ${stepInWords(step)}`;
    told.textContent = [`${shown}, ${zoneName()}, ${steps}.`, ...notes].join(" ");
    told.title = [since, until].filter(Boolean).join(" to ");
  }

  complain(words) {
    told.classList.add("lb-error");
    told.textContent = words;
  }

  isMarked(subject) {
    return legend.querySelector(`[value=${subject.key}]`).checked;
  }

  countMarks({ marks, cut }) {
    for (const { key } of SUBJECTS) {
      const count = marks.filter(({ subject }) => subject.key === key).length;
      legend.querySelector(`[value=${key}] ~ output`).textContent = count;
    }
    legend.lastElementChild.textContent = cut ? "There were more: these are the latest." : "";
  }

  lackMarks(words) {
    legend.lastElementChild.textContent = words;
  }

  /** From a range to the period that was shown before it. */
  goBack() {
    this.#setPeriod(this.#lastPeriod);
  }

  /** Leaves alone what somebody is typing, unless the page shows another time than before. */
  #fill(name, text) {
    if (this.#filled[name] === text) return;
    form.elements[name].value = this.#filled[name] = text;
  }

  #choosePeriod(event) {
    const choice = event.target.closest("[data-period]");
    if (!choice || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    this.#setPeriod(choice.dataset.period);
  }

  #setPeriod(period) {
    changeView({ period, from: "", to: "" });
  }
}

/** For another pool the page is loaded anew: there are other backends to choose from. */
function choose({ name, value }) {
  if (name === "pool") location.assign(addressOf({ ...readView(), pool: value, backend: "" }));
  else if (CHOICES.includes(name)) changeView({ [name]: value });
}

/** A time of the address as a field has it: the viewer's, without saying so. */
function inField(text) {
  const at = timeOf(text);
  return Number.isNaN(at) ? "" : wallClock(at).slice(0, 19);
}

function submitExact(event) {
  event.preventDefault();
  const typed = readTyped(form.elements.from.value, form.elements.to.value);
  const [from, to] = typed.map((at) => (Number.isNaN(at) ? "" : inUtc(at)));
  changeView({ period: "", from, to });
}

function subjectBox({ key, name, icon }) {
  const box = element("input", [], { type: "checkbox", value: key, checked: "" });
  return element("label", [box, iconOf(icon), name, element("output")]);
}
