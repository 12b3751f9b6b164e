// The time of whoever looks at the page. All of it is at one distance from UTC, that of the end of
// what is shown: across a change of the clocks an axis would have an hour twice, or not at all.

const MINUTE = 60_000;
let offset = 0; // milliseconds that the page is ahead of UTC

/** `end`: of what is shown, in milliseconds since 1970. */
export function followClocks(end) {
  offset = offsetAt(end);
}

/** What a person typed, without a zone, as the page will show it: by the clocks of its end. */
export function readTyped(from, to) {
  const ahead = offsetAt(to ? Date.parse(to) : Date.now());
  return [from, to].map((text) => (text ? Date.parse(`${text}Z`) - ahead : NaN));
}

/** For what formats in UTC: a time at which UTC shows what it is here at `at`. */
export function toLocal(at) {
  return at + offset;
}

/** The same in words without a zone. */
export function wallClock(at) {
  return new Date(toLocal(at)).toISOString().slice(0, -1);
}

export function fromLocal(at) {
  return at - offset;
}

function offsetAt(at) {
  return -new Date(at).getTimezoneOffset() * MINUTE;
}

/** "UTC", "UTC+1", "UTC−3:30" */
export function zoneName() {
  if (!offset) return "UTC";
  const minutes = Math.abs(offset) / MINUTE;
  const rest = minutes % 60 ? `:${String(minutes % 60).padStart(2, "0")}` : "";
  return `UTC${offset < 0 ? "−" : "+"}${Math.floor(minutes / 60)}${rest}`;
}
