// The page of reports: loads what the address bar asks for, and draws it.

import * as availability from "./charts/availability.js";
import * as errors from "./charts/errors.js";
import * as heatmap from "./charts/heatmap.js";
import * as latency from "./charts/latency.js";
import * as paths from "./charts/paths.js";
import * as share from "./charts/share.js";
import { bucketsWithin, rangeOf } from "./charts/series.js";
import * as traffic from "./charts/traffic.js";
import { fetchJson } from "./fetching.js";
import { clearFigures, showFigures } from "./figures.js";
import * as happening from "./happening.js";
import { fetchMarks } from "./marks.js";
import { Panel } from "./panel.js";
import { keepUpToDate } from "./refresh.js";
import { onThemeChange } from "./theme.js";
import { Toolbar } from "./toolbar.js";
import { changeView, inUtc, onChange, readView, timeOf } from "./view.js";
import { followClocks } from "./zone.js";

const CHARTS = { availability, errors, heatmap, latency, paths, share, traffic };

const settings = JSON.parse(document.getElementById("report-settings").textContent);
const toolbar = new Toolbar(settings.default_period, drawMarks);
const actions = { open, select, reset };
const panels = [...document.querySelectorAll("[data-panel]")].map(
  (section) => new Panel(section, CHARTS[section.dataset.panel], actions, settings.urls),
);
let loading = new AbortController();
let overview = { series: [] };
let marks = [];

async function load() {
  loading.abort();
  loading = new AbortController();
  const { signal } = loading;
  const view = readView();
  followClocks(timeOf(view.to) || Date.now());
  toolbar.follow(view);
  const ask = askOnce(view, signal);
  await Promise.all([...panels.map((panel) => panel.load(ask)), loadOverview(view, ask, signal)]);
}

/** What needs to know when the charts begin and end. Panels tell of what fails in it. */
async function loadOverview(view, ask, signal) {
  try {
    overview = await ask(traffic);
    showFigures(overview);
    toolbar.tell(overview);
    await loadMarks(view, signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    clearFigures();
    toolbar.complain(error.message);
  }
}

/** Who may see the traffic may not see everything that happened. */
async function loadMarks(view, signal) {
  try {
    const found = await fetchMarks(settings.urls.events, view, rangeOf(overview), signal);
    marks = found.marks;
    toolbar.countMarks(found);
  } catch (error) {
    if (error.name === "AbortError") return;
    marks = [];
    toolbar.lackMarks(error.message);
  }
  drawMarks();
}

/** Panels that show parts of one report ask for it once. */
function askOnce(view, signal) {
  const answers = new Map();
  const { from, to, pool, backend, route } = view;
  const period = from ? "" : view.period || settings.default_period;
  return ({ endpoint, parameters }) => {
    const asked = { period, from, to, pool, backend, route, ...parameters(view) };
    const key = JSON.stringify([endpoint, asked]);
    if (!answers.has(key)) {
      answers.set(key, fetchJson(settings.urls.reports + endpoint, asked, signal));
    }
    return answers.get(key);
  };
}

function drawMarks() {
  const wanted = marks.filter(({ subject }) => toolbar.isMarked(subject));
  for (const panel of panels) panel.mark(wanted);
}

function open(group) {
  happening.show(group, settings.urls);
}

function select(from, to) {
  const ends = bucketsWithin(overview.series, from, to);
  const [start, end] = ends.map(inUtc);
  changeView({ period: "", from: start, to: end });
}

function reset() {
  toolbar.goBack();
}

onChange(load);
onThemeChange(() => panels.forEach((panel) => panel.render()));
keepUpToDate(load);
load();
