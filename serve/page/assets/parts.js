// Parts of an experiment's page: its streams, its way in, its booking.
import { el, named, sign, table } from "./dom.js";
import { age, left, ms } from "./time.js";
import { bookingWords } from "./words.js";

/** Its streams, with their last transmission and who transmits. */
export function streams(report) {
  if (!report.streams.length) return el("p.quiet", null, "None is connected and none is required.");
  return table("Streams", ["Stream", "Now", "Last transmission", "Connection"], report.streams.map((s) => ({
    key: s.topic, of: s.verdict,
    cells: [
      [named(s.topic), " ", el("small", null, s.required ? "required" : "optional")],
      [sign(s.verdict), s.verdict, s.verdict === "unknown"
        ? el("small", null, s.ok ? " was ok" : " was not ok")
        : s.since ? el("small", null, " for ", age(ms(s.since))) : null],
      [s.last_active ? [age(ms(s.last_active)), " ago"] : "never seen"],
      connection(report.stream_reports[s.topic], s.connected, true),
    ],
  })));
}

function connection(c, connected, figures) {
  if (!connected || !c) return ["not connected"];
  const facts = [];
  if (c.connected) facts.push(["for ", age(ms(c.connected))]);
  if (c.expires_at) facts.push(["token ends in ", left(ms(c.expires_at))]);
  const { fps, size, never } = c.stats?.tx ?? {};
  if (figures && !c.stats_known) facts.push("no statistics are given: only its presence is known");
  else if (figures && never) facts.push("has sent nothing yet");
  else if (figures && fps !== undefined && fps !== null) facts.push(`${fps}\u00a0messages/s of ${size ?? "?"}\u00a0bytes, mean since it connected`);
  return [
    facts.map((fact, i) => [i ? " · " : null, fact]),
    el("small.facts", null, named(c.user_agent || "no user agent"), c.remote_addr ? [" from ", named(c.remote_addr)] : null,
      c.scopes?.length ? [" may ", c.scopes.map((scope, i) => [i ? ", " : null, named(scope)])] : null),
  ];
}

/** Its way in. */
export function jump(report) {
  const word = !report.jump_known ? "unknown" : report.jump_ok ? "ok" : "missing";
  const there = Boolean(report.jump_report.connected);
  return el("p", null, sign(word), word, word === "unknown" ? (report.jump_ok ? ", was ok" : ", was not ok or not seen yet") : null,
    " · ", connection(report.jump_report, there, false));
}

/** What can be booked of it. */
export function booking(report) {
  if (!report.resources.length) return el("p.quiet", null, "It is not in the booking system.");
  return table("Booking", ["Resource", "Booking", "Requires"], report.resources.map((r) => ({
    key: r.name,
    cells: [[named(r.name)], [named(bookingWords(r)), r.read_at ? el("small", null, " read ", age(ms(r.read_at)), " ago") : null],
      r.required.length ? r.required.map((topic, i) => [i ? ", " : null, named(topic)]) : ["nothing"]],
  })));
}
