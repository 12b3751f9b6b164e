// Where most requests went wrong: a table alone.

import { queryOf } from "../view.js";
import { number, percent, time } from "../wording.js";

export { endpoint, parameters } from "./errors.js";

export function figure({ top_paths: top }, colour, urls) {
  if (!top.paths.length) return { words: "No request that went wrong was noted in this time." };
  const rest = top.left_out ? `; ${number(top.left_out)} more came too fast to be noted` : "";
  return {
    tables: [
      {
        caption: `Of ${number(top.noted)} requests that went wrong${rest}`,
        headers: ["Host and path", "Requests", "Part of all", "Status", "Cause", "Last seen"],
        rows: top.paths.map((one) => [
          { text: one.host + one.path, href: requestsOf(one, urls) },
          number(one.count),
          percent(one.share),
          listOf(one.statuses),
          listOf(one.causes),
          time(one.last_seen),
        ]),
        numeric: false,
      },
    ],
  };
}

/** The list of single requests, those to one path that went wrong. */
function requestsOf({ host, path }, urls) {
  return `${urls.requests_page}?${queryOf({ wrong: "yes", host, path })}`;
}

/** {"502": 3, "504": 1} → "502 (3), 504 (1)" */
function listOf(counts) {
  const parts = Object.entries(counts).sort(([, one], [, other]) => other - one);
  return parts.map(([name, count]) => `${name.replaceAll("_", " ")} (${number(count)})`).join(", ");
}
