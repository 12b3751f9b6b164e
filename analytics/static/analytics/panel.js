// One chart of the page with the words, the legend and the tables that belong to it.

import { layOut } from "./lane.js";
import { showLegend } from "./legend.js";
import { draw, onDragged } from "./plot.js";
import { tableOf } from "./table.js";
import { palette } from "./theme.js";

/** `chart`: a module of charts/, which makes of an answer what is to be drawn.
 *
 * Its `endpoint` says which report that is, and its `parameters(view)` what to ask of it beside
 * what is asked of all of them. Its `figure(answer, colour, urls)` returns either `{words}`, if
 * there is nothing to draw, or `{traces, layout, tables}`; of a chart over time also `range`, both
 * ends of its axis in milliseconds. Without traces it is tables only.
 */
export class Panel {
  #section;
  #chart;
  #actions;
  #urls;
  #answer = null;
  #marks = [];
  #tables = [];
  #hidden = new Set(); // names of traces that somebody took out

  /** `actions`: `open(marks)` when a mark is clicked, `select(from, to)` when a range was dragged
   * over, `reset()` to go back from it.
   */
  constructor(section, chart, actions, urls) {
    this.#section = section;
    this.#chart = chart;
    this.#actions = actions;
    this.#urls = urls;
    const legend = this.#part("legend"); // as wide as the plot and the lane of marks
    if (legend) new ResizeObserver(() => this.render()).observe(legend);
    section.querySelector("details")?.addEventListener("toggle", () => this.#fillTables());
  }

  /** `ask(chart)` resolves to the answer. */
  async load(ask) {
    this.#section.ariaBusy = "true";
    try {
      this.#answer = await ask(this.#chart);
    } catch (error) {
      if (error.name === "AbortError") return; // another view is being loaded
      this.#answer = null;
      this.#say(error.message);
    }
    this.#section.ariaBusy = "false";
    this.render();
  }

  mark(marks) {
    if (areSame(marks, this.#marks)) return;
    this.#marks = marks;
    this.render();
  }

  render() {
    if (!this.#answer) return;
    const figure = this.#chart.figure(this.#answer, palette(), this.#urls);
    this.#say(figure.words ?? "");
    if (figure.words) return;
    if (figure.traces) this.#draw(figure);
    this.#tables = figure.tables;
    this.#fillTables();
  }

  /** Only where they are seen: there may be some hundred rows in each. */
  #fillTables() {
    const place = this.#part("scroll");
    if (place.closest("details:not([open])")) return;
    place.replaceChildren(...this.#tables.map(tableOf));
  }

  #draw({ traces, layout, range }) {
    const plot = this.#part("plot");
    const lines = range ? layOut(this.#part("lane"), this.#marks, range, this.#actions.open) : [];
    const isFirst = !plot.classList.contains("js-plotly-plot");
    const visible = traces.filter(({ name }) => !this.#hidden.has(name));
    draw(plot, { traces: visible, layout }, palette(), range, lines);
    if (isFirst && range) onDragged(plot, this.#actions.select, this.#actions.reset);
    showLegend(this.#part("legend"), traces, this.#hidden, (name) => this.#toggle(name));
  }

  #toggle(name) {
    if (!this.#hidden.delete(name)) this.#hidden.add(name);
    this.render();
  }

  /** Words stand in the place of the chart; without words the chart is there. */
  #say(words) {
    const place = this.#part("words");
    place.textContent = words;
    place.hidden = !words;
    for (const name of ["lane", "plot", "legend", "numbers-below"]) {
      const part = this.#part(name);
      if (part) part.hidden = Boolean(words);
    }
  }

  #part(name) {
    return this.#section.querySelector(`.lb-${name}`);
  }
}

function areSame(marks, others) {
  return (
    marks.length === others.length &&
    marks.every(({ event }, index) => event.id === others[index].event.id)
  );
}
