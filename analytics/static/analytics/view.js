// What the page shows. It is kept in the address bar alone, so that a link shows the same and
// the way back leads to what was seen before.

const NAMES = ["period", "from", "to", "pool", "backend", "route", "kind"];
const listeners = [];

export function readView() {
  const query = new URLSearchParams(location.search);
  return Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? ""]));
}

export function addressOf(view) {
  return `${location.pathname}?${queryOf(view)}`;
}

/** What is not given is left out. */
export function queryOf(view) {
  return new URLSearchParams(Object.entries(view).filter(([, value]) => value !== ""));
}

/** Go to another view, as a step that the browser's button takes back. */
export function changeView(change) {
  const address = addressOf({ ...readView(), ...change });
  if (address === addressOf(readView())) return;
  history.pushState(null, "", address);
  announce();
}

export function onChange(listener) {
  listeners.push(listener);
}

/** Milliseconds since 1970 of a time of the address, which is in UTC if it does not say. */
export function timeOf(text) {
  return Date.parse(/(Z|[+-]\d\d:?\d\d)$/.test(text) ? text : `${text}Z`);
}

/** The other way round, to the second. */
export function inUtc(at) {
  return new Date(at).toISOString().replace(/\.\d+/, "");
}

/** Whether the view ends now, and so changes by itself. */
export function isRunning(view) {
  return !view.to;
}

function announce() {
  for (const listener of listeners) listener(readView());
}

addEventListener("popstate", announce);
