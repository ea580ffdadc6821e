// An experiment's history as bars that need no colour to be read: each state has a
// height, a pattern and a letter of its own, and the whole is also said in words.
import { el, sign, table } from "./dom.js";
import { ms, span, stamp } from "./time.js";
import { percent, plural } from "./words.js";

const hour = 3600e3;
export const spans = [
  { id: "24h", words: "Last 24 hours", long: 24 * hour, step: 6 * hour, tick: { hour: "2-digit", minute: "2-digit" } },
  { id: "7d", words: "Last 7 days", long: 168 * hour, step: 24 * hour, tick: { weekday: "short" } },
  { id: "30d", words: "Last 30 days", long: 720 * hour, step: 168 * hour, tick: { day: "numeric", month: "short" } },
];

const letters = { unhealthy: "✗", flapping: "≈", unknown: "?", starting: "…" };
const meanings = {
  healthy: "healthy", unhealthy: "unhealthy", flapping: "flapping", unknown: "not known",
  starting: "starting", unwatched: "not watched", maintenance: "in maintenance",
};

/** The parts of the intervals between two moments, in ms. */
function within(intervals, from, to) {
  const parts = [];
  for (const one of intervals) {
    const begin = Math.max(ms(one.from), from);
    const end = Math.min(ms(one.to), to);
    if (end > begin) parts.push({ from: begin, to: end, state: one.state, maintenance: one.maintenance });
  }
  return parts;
}

/** How long it was each, in ms; maintenance counts as such whatever the state was. */
function sums(parts) {
  const sum = { healthy: 0, unhealthy: 0, flapping: 0, unknown: 0, starting: 0, unwatched: 0, maintenance: 0 };
  for (const part of parts) sum[part.maintenance ? "maintenance" : part.state] += part.to - part.from;
  return sum;
}

/** The same in words: what was wrong, and what is left out of the uptime. */
function inWords(parts) {
  const sum = sums(parts);
  const wrong = parts.filter((part) => !part.maintenance && (part.state === "unhealthy" || part.state === "flapping"));
  const words = [wrong.length
    ? `not well for ${span(sum.unhealthy + sum.flapping)} in ${plural(wrong.length, "stretch").replace("stretchs", "stretches")}`
    : sum.healthy ? "never known to be unwell" : "nothing is known"];
  const out = ["unknown", "starting", "maintenance", "unwatched"].filter((state) => sum[state] >= 1000)
    .map((state) => `${span(sum[state])} ${meanings[state]}`);
  if (out.length) words.push(`left out: ${out.join(", ")}`);
  return words.join("; ");
}

/** One bar with its uptime, axis and words. */
export function bar({ id, words, long, step, tick }, history, to) {
  const from = to - long;
  const parts = within(history.intervals, from, to);
  const { uptime } = history.windows[id];
  const place = (element, begin, end) => {
    element.style.left = `min(${((begin - from) / long) * 100}%, 100% - 3px)`; // what has only begun is seen too
    element.style.width = `${((end - begin) / long) * 100}%`;
    return element;
  };
  const text = inWords(parts);
  const segments = parts.flatMap((part) => {
    const title = `${meanings[part.state]}${part.maintenance ? ", in maintenance" : ""}: ${stamp(part.from, false)} to ${stamp(part.to, false)}, ${span(part.to - part.from)}`;
    const wide = (part.to - part.from) / long > 0.025;
    const made = [place(el("i.segment", { class: part.state, title }, wide ? letters[part.state] ?? "" : ""), part.from, part.to)];
    if (part.maintenance) made.push(place(el("i.segment.maintenance", { title }, wide ? "M" : ""), part.from, part.to));
    return made;
  });
  return el("figure.history", { "data-key": id },
    el("figcaption", null, el("b", null, words), " ",
      el("span.uptime", null, uptime === undefined || uptime === null ? "uptime not known" : `${percent(uptime)} well`), " ",
      el("span.quiet", null, text)),
    el("div.bar", { role: "img", "aria-label": `${words}: ${text}` }, segments),
    el("div.axis", { "aria-hidden": "true" }, ticks(from, to, step, tick).map(([at, label]) => {
      const mark = el("span", null, label);
      mark.style.left = `${((at - from) / long) * 100}%`;
      return mark;
    })));
}

// Ticks lie on whole hours and days of the reader's clock, clear of both ends.
function ticks(from, to, step, options) {
  const format = new Intl.DateTimeFormat("en-GB", { hourCycle: "h23", ...options });
  const at = new Date(to);
  at.setMinutes(0, 0, 0);
  while ((step < 24 * hour ? at.getHours() % (step / hour) : at.getHours()) !== 0) at.setHours(at.getHours() - 1);
  const found = [];
  for (; at.getTime() > from; step < 24 * hour ? at.setHours(at.getHours() - step / hour) : at.setDate(at.getDate() - step / (24 * hour))) {
    const share = (at.getTime() - from) / (to - from);
    if (share > 0.01 && share < 0.93) found.push([at.getTime(), format.format(at)]);
  }
  return found.reverse();
}

/** What the patterns mean. */
export const legend = () => el("ul.legend", { "aria-label": "What the bars show" },
  ["healthy", "unhealthy", "flapping", "unknown", "starting", "unwatched", "maintenance"].map((state) =>
    el("li", null, el("span.bar.sample", { "aria-hidden": "true" }, el("i.segment", { class: state }, state === "maintenance" ? "M" : letters[state] ?? "")), meanings[state])));

const most = 100;

/** The stretches that were not well, newest first, as a table. */
export function stretches(history) {
  const all = history.intervals.filter((one) => one.state !== "healthy" || one.maintenance).reverse();
  if (!all.length) return el("p.quiet", null, "It was healthy all the time.");
  const rows = all.slice(0, most).map((one) => ({
    key: one.from,
    cells: [[stamp(ms(one.from))], [stamp(ms(one.to))], [span(ms(one.to) - ms(one.from))],
      [one.state === "unwatched" ? null : sign(one.state), meanings[one.state], one.maintenance ? ", in maintenance" : null]],
  }));
  return [table("Stretches that were not well", ["From", "To", "For", "It was"], rows),
    all.length > most ? el("p.quiet", null, `and ${all.length - most} older`) : null];
}
