// Moments and lengths of time, in words, on the server's clock and the reader's
// time zone. One timer ages all that is shown.
import { el, put } from "./dom.js";

let ahead = 0; // of the server's clock before ours, in ms

/** The server's time now, in ms. */
export const now = () => Date.now() + ahead;

/** Learns the server's clock from the Date of an answer. A second or two is no difference. */
export function learnClock(header, sentAt) {
  const said = Date.parse(header ?? "");
  if (Number.isNaN(said)) return;
  const found = said + 500 - (sentAt + Date.now()) / 2;
  ahead = Math.abs(found) < 2500 ? 0 : found;
}

/** A length of time in ms, as precise as a person needs it. */
export function span(ms) {
  const s = Math.floor(Math.max(ms, 0) / 1000);
  const two = (major, unit, minor, lesser) => (minor ? `${major} ${unit} ${minor} ${lesser}` : `${major} ${unit}`);
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return two(Math.floor(s / 3600), "h", Math.floor(s / 60) % 60, "min");
  return two(Math.floor(s / 86400), "d", Math.floor(s / 3600) % 24, "h");
}

const format = (options) => new Intl.DateTimeFormat("en-GB", { hourCycle: "h23", ...options });
const clock = format({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
const short = format({ weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const noSeconds = format({ weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const withYear = format({ day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** The time zone that moments are shown in. */
export const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

/** The clock time of a moment. */
export const clockTime = (at) => clock.format(at);

/** A moment: with its year where that isn't obvious. */
export function stamp(at, seconds = true) {
  const far = Math.abs(now() - at) > 300 * 86400e3;
  return (far ? withYear : seconds ? short : noSeconds).format(at).replace(",", "");
}

/** The moment in UTC, as mails and logs have it. */
const utc = (at) => new Date(at).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");

const title = (at) => `${withYear.format(at).replace(",", "")} ${zone} · ${utc(at)}`;

/** A moment as an element. */
export const when = (at, seconds = true) =>
  el("time", { datetime: new Date(at).toISOString(), title: title(at) }, stamp(at, seconds));

/** How long ago a moment was, as an element that grows older by itself. */
export const age = (at) =>
  el("time.ticks", { datetime: new Date(at).toISOString(), title: title(at), "data-at": at }, span(now() - at));

/** How far ahead a moment is, as an element that counts down by itself. */
export const left = (at) =>
  el("time.ticks", { datetime: new Date(at).toISOString(), title: title(at), "data-until": at }, span(at - now()));

/** Milliseconds of an RFC 3339 time; NaN where there is none. */
export const ms = (text) => Date.parse(text ?? "");

/** The value of a datetime-local input for a moment, in the reader's time zone. */
export function localValue(at) {
  const d = new Date(at);
  const pad = (n) => String(n).padStart(2, "0");
  return `${d.getFullYear()}-${pad(d.getMonth() + 1)}-${pad(d.getDate())}T${pad(d.getHours())}:${pad(d.getMinutes())}`;
}

/** The moment that a datetime-local input holds, in RFC 3339; undefined where it holds none. */
export function fromLocal(value) {
  const at = value ? new Date(value) : null;
  return at && !Number.isNaN(at.getTime()) ? at.toISOString().replace(".000Z", "Z") : undefined;
}

const everySecond = new Set();

/** Has something done every second, after all ages are right. */
export const each = (task) => everySecond.add(task);

function tick() {
  const at = now();
  for (const shown of document.getElementsByClassName("ticks")) {
    const { at: since, until } = shown.dataset;
    put(shown, span(since === undefined ? until - at : at - since));
  }
  for (const task of everySecond) task();
}
setInterval(tick, 1000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) tick(); });
