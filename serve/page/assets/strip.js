// The strip of what the server stands on: relay, jump, book, mail and store, with the
// age of what each said last. What has only not been heard yet is no fault.
import { el, sign, named } from "./dom.js";
import { age, ms, now, span } from "./time.js";
import { plural } from "./words.js";

const sourceTones = { fresh: "good", silent: "bad", settling: "unsure", starting: "unsure" };

/** One tile each: {name, tone, word, what, at, note}. */
export function tiles(system) {
  return [...system.sources.map(source), book(system.book), mail(system.mail), store(system.store)];
}

function source(s) {
  const notes = s.last_error ? [s.last_error] : [plural(s.connections, "connection")];
  if (!s.last_error && s.reconnects) notes.push(plural(s.reconnects, "reconnect"));
  if (!s.last_error && s.widened) notes.push(`frames are rare, so silence is called after ${span(s.window_seconds * 1000)}`);
  return { name: s.name, tone: sourceTones[s.state] ?? "unsure", word: s.state, what: "last frame", at: ms(s.last_frame), note: notes.join(", ") };
}

function book(b) {
  const tile = { name: "book", tone: "good", word: "answering", what: "last manifest", at: ms(b.last_manifest), note: plural(b.resources, "resource") };
  if (b.failing_since) Object.assign(tile, { tone: "bad", word: `not answering for ${span(now() - ms(b.failing_since))}`, note: b.last_error });
  else if (!b.last_manifest) Object.assign(tile, { tone: "unsure", word: "not read yet", note: b.last_error });
  else if (!b.answering) Object.assign(tile, { tone: "bad", word: "not answering", note: b.last_error });
  if (b.pending) tile.note = `${tile.note ?? ""} (${plural(b.pending, "change")} not confirmed yet)`;
  return tile;
}

function mail(m) {
  const tile = { name: "mail", tone: "good", word: "ok", note: `deliveries: ${m.sent} made, ${m.queued} queued, ${m.failed} failed` };
  if (!m.enabled) return { ...tile, tone: "unsure", word: "off", note: "nobody is mailed" };
  if (m.undeliverable_since) Object.assign(tile, { tone: "bad", word: `not delivered for ${span(now() - ms(m.undeliverable_since))}` });
  else if (m.last_error) Object.assign(tile, { tone: "unsure", word: "retrying" });
  if (m.last_error) tile.note += `: ${m.last_error}`;
  return tile;
}

function store(s) {
  const tile = { name: "store", tone: "good", word: "ok", note: s.kind };
  if (!s.ok) Object.assign(tile, { tone: "bad", word: "can't be written", note: s.last_error });
  if (s.pending) tile.note = `${tile.note ?? ""} (${plural(s.pending, "write")} waiting)`;
  return tile;
}

/** The strip as a list, with more tiles at its end. */
export function strip(system, more = []) {
  return [...tiles(system), ...more].map((tile) => el("li", { class: tile.tone, "data-key": tile.name },
    el("b", null, sign(tile.tone), tile.name), " ", el("span.word", null, tile.word),
    Number.isNaN(tile.at ?? NaN) ? null : el("small", null, `${tile.what} `, age(tile.at), " ago"),
    tile.note ? el("small.note", { title: tile.note }, named(tile.note)) : null));
}

/** What the server has to say of itself: faults of the system, why it isn't ready, settings that want a look. */
export function notices(system) {
  const lines = [];
  for (const issue of system.issues) {
    lines.push(el("p.notice.bad", { "data-key": `issue ${issue.text}` }, el("strong", null, "The system: "), named(issue.text),
      el("span.quiet", null, " for ", age(ms(issue.since)))));
  }
  if (system.not_ready.length) {
    lines.push(el("p.notice.unsure", { "data-key": "ready" }, el("strong", null, "Not ready: "),
      system.not_ready.map((reason, i) => [i ? "; " : "", named(reason)])));
  }
  for (const warning of system.warnings) {
    lines.push(el("p.notice.unsure", { "data-key": `warning ${warning}` }, el("strong", null, "Settings: "), warning));
  }
  return lines;
}
