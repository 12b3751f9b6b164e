// What happened, as marks on the axis of time: events of the timeline, told apart by what
// they are about.

import { fetchJson } from "./fetching.js";

const CHANGE = "configuration_applied";
const AT_MOST = 1000; // of each request; the newest are given first

// `icon`: of unfold's font. An event that is about nothing of these is in the last.
export const SUBJECTS = [
  { key: "configuration", name: "Configuration", icon: "edit", kinds: /^configuration_/ },
  { key: "health", name: "Health", icon: "favorite", kinds: /^(health|admin_state)_/ },
  { key: "circuit", name: "Circuits", icon: "bolt", kinds: /^circuit_|ejected$/ },
  { key: "other", name: "Failover and edges", icon: "swap_vert", kinds: /./ },
];

/** Marks of what happened between two times, the oldest first, and whether some are left out.
 *
 * Changes of the configuration are asked for apart, those of all pools, so that a backend
 * that goes up and down does not crowd them out.
 */
export async function fetchMarks(url, view, [since, until], signal) {
  const span = {
    since: new Date(since).toISOString(),
    until: new Date(until).toISOString(),
    limit: AT_MOST,
  };
  const pages = await Promise.all([
    fetchJson(url, { ...span, kind: CHANGE }, signal),
    fetchJson(url, { ...span, pool: view.pool, backend: view.backend }, signal),
  ]);
  const events = new Map(pages.flatMap((page) => page.results).map((event) => [event.id, event]));
  return {
    marks: [...events.values()].map(markOf).sort((one, other) => one.at - other.at),
    cut: pages.some((page) => page.next),
  };
}

function markOf(event) {
  return {
    at: Date.parse(event.at),
    subject: SUBJECTS.find(({ kinds }) => kinds.test(event.kind)),
    severity: event.severity,
    event,
  };
}
