// JSON from the REST API of this site, and what to say when there is none.

import { queryOf } from "./view.js";

/** Its message is for the person at the page. */
export class ReportError extends Error {}

/** Parameters without a value are left out. */
export async function fetchJson(url, parameters, signal) {
  const response = await get(`${url}?${queryOf(parameters)}`, signal);
  if (response.ok) return response.json();
  throw new ReportError(await inWords(response));
}

async function get(address, signal) {
  try {
    return await fetch(address, { headers: { Accept: "application/json" }, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ReportError("The server cannot be reached.");
  }
}

async function inWords(response) {
  const told = await response.json().catch(() => null);
  if (response.status === 400 && told) return complaints(told);
  if (response.status === 401 || response.status === 403) {
    const detail = told?.detail ?? "You may not see this.";
    return /credentials/i.test(detail) ? "Your session has ended: log in again." : detail;
  }
  if (response.status === 404) return told?.detail ?? "This server does not give this report.";
  return told?.detail ?? `The server failed to answer (status ${response.status}); try again.`;
}

/** `{"from": ["must be before to"]}` → "from: must be before to" */
function complaints(told) {
  if (Array.isArray(told)) return told.join(" ");
  if (typeof told !== "object") return String(told);
  return Object.entries(told)
    .map(([name, words]) => {
      const text = complaints(words);
      return name === "detail" || name === "non_field_errors" ? text : `${name}: ${text}`;
    })
    .join(" ");
}
