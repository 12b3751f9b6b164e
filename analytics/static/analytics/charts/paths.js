// Where most requests went wrong: a table alone.

import { number, percent, time } from "../wording.js";

export { endpoint, parameters } from "./errors.js";

export function figure({ top_paths: top }) {
  if (!top.paths.length) return { words: "No request that went wrong was noted in this time." };
  const rest = top.left_out ? `; ${number(top.left_out)} more came too fast to be noted` : "";
  return {
    tables: [
      {
        caption: `Of ${number(top.noted)} requests that went wrong${rest}`,
        headers: ["Host and path", "Requests", "Part of all", "Status", "Cause", "Last seen"],
        rows: top.paths.map((one) => [
          one.host + one.path,
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

/** {"502": 3, "504": 1} → "502 (3), 504 (1)" */
function listOf(counts) {
  const parts = Object.entries(counts).sort(([, one], [, other]) => other - one);
  return parts.map(([name, count]) => `${name.replaceAll("_", " ")} (${number(count)})`).join(", ");
}
