// What is said of an experiment and of the laboratory, in plain words. The server
// says the same on pages for those without script; a table of examples keeps both true.

export const plural = (n, noun, several = `${noun}s`) => (n === 1 ? `1 ${noun}` : `${n.toLocaleString("en")} ${several}`);

/** Whether something is known to be wrong with it. */
export const isWrong = (r) => r.state === "unhealthy" || r.state === "flapping";

/** Whether somebody knows of it already: it is acknowledged, silenced or in maintenance. */
export const isCaredFor = (r) => Boolean(r.ack || r.silence || r.maintenance);

/** Counts of experiments, from reports or what is kept of them. */
export function countOf(reports) {
  const c = { total: 0, starting: 0, healthy: 0, unhealthy: 0, unknown: 0, flapping: 0, cared: 0 };
  for (const r of reports) {
    c.total++;
    c[r.state]++;
    if (isWrong(r) && isCaredFor(r)) c.cared++;
  }
  return c;
}

/** The one sentence that a maintainer wants first, and how bad it is: bad, unsure or good. */
export function headline(c, known = true) {
  const need = c.unhealthy + c.flapping - c.cared;
  const all = plural(c.total, "experiment");
  if (!c.total) return known ? ["No experiments are known yet", "unsure"] : ["Nothing is known yet: the server has only just started", "unsure"];
  if (need === 1) return [`1 of ${all} needs you`, "bad"];
  if (need > 1) return [`${need.toLocaleString("en")} of ${all} need you`, "bad"];
  const rest = [];
  if (c.unknown) rest.push(`${c.unknown.toLocaleString("en")} not known`);
  if (c.starting) rest.push(`${c.starting.toLocaleString("en")} starting`);
  if (c.cared) return [["Nothing needs you: " + (c.cared === 1 ? `1 of ${all} is cared for` : `${c.cared.toLocaleString("en")} of ${all} are cared for`), ...rest].join(", "), "unsure"];
  if (c.unknown === c.total) return [c.total === 1 ? "How the one experiment is, is not known at the moment" : `How the ${all} are is not known at the moment`, "unsure"];
  if (c.starting === c.total) return [`Starting: ${all} not judged yet`, "unsure"];
  if (c.healthy === c.total) return [c.total === 1 ? "The one experiment is well" : `All ${all} are well`, "good"];
  return [[`${c.healthy.toLocaleString("en")} of ${all} well`, ...rest].join(", "), "unsure"];
}

/** How an experiment is, as a sentence without its full stop. */
export function stateSentence(r) {
  switch (r.state) {
    case "healthy": return "It is well";
    case "unhealthy": return isCaredFor(r) ? "It is not well, and somebody knows" : "It needs you";
    case "flapping": return isCaredFor(r) ? "It changes too often to be relied on, and somebody knows" : "It changes too often to be relied on, and needs you";
    case "starting": return "It was first seen only a moment ago and is not judged yet";
  }
  return `How it is can't be told at the moment; it was ${r.healthy ? "well" : "not well"} when last known`;
}

const ours = "status server:";

/** Whether a resource can be booked, and why not. */
export function bookingWords(resource) {
  let words;
  const reason = (resource.reason ?? "").replace(/^unavailable because /, "");
  if (!resource.availability_known) words = "booking not read yet";
  else if (resource.held) words = `held off booking by ${resource.held_by || "a person"}${resource.held_reason ? `: ${resource.held_reason}` : ""}`;
  else if (resource.available) words = "can be booked";
  else words = `closed for booking${reason && !reason.startsWith(ours) ? ` (${reason})` : ""}`;
  if (resource.wanted === "open") words += ", being opened";
  if (resource.wanted === "close") words += ", being closed";
  return words;
}

/** The same for an experiment: once, where all its resources agree. */
export function bookingLine(r) {
  const all = r.resources ?? [];
  if (!all.length) {
    if (!r.resource_name) return "not in the booking system";
    return bookingWords({ availability_known: r.availability_known, available: r.available });
  }
  const words = all.map(bookingWords);
  if (words.every((one) => one === words[0])) return words[0];
  return all.map((resource, i) => `${resource.name}: ${words[i]}`).join("; ");
}

/** The small print of an experiment in the grid: what differs from a plain well one. */
export function markOf(r) {
  const marks = [];
  if (r.state === "unknown" && !r.healthy) marks.push("was not well");
  if (r.maintenance) marks.push("maintenance");
  if (r.silence) marks.push("silenced");
  if (r.ack) marks.push("acknowledged");
  if (r.resource_name) {
    if (r.held) marks.push("held");
    else if (!r.availability_known) marks.push("booking not read");
    else if (!r.available) marks.push("closed");
  }
  return marks.join(", ");
}

/** The stream that an issue speaks of. */
const streamOf = (r, text) => (r.streams ?? []).find((s) => text === `missing required ${s.topic}` || text === `unhealthy ${s.topic}`);

/** The tunnel that an issue speaks of. */
const tunnelOf = (r, text) => (r.tunnels ?? []).find((t) => text === `missing tunnel ${t.name}` || text === `unhealthy tunnel ${t.name}`);

/** How a tunnel is, as it said itself. */
export const tunnelWords = (state) => ({ "": "has not said", running: "starting" }[state] ?? state);

/** What an issue means, and since when where that is known. */
export function explain(r, text) {
  const { since } = (r.issue_details ?? []).find((one) => one.text === text) ?? {};
  return { since, ...meaning(r, text) };
}

function meaning(r, text) {
  const stream = streamOf(r, text);
  if (stream) return { what: stream.connected ? "connected, but sends nothing" : "not connected to relay", since: stream.since, last: stream.last_active ?? null };
  const tunnel = tunnelOf(r, text);
  if (tunnel) return { what: `it said: ${tunnelWords(tunnel.state)}${tunnel.message ? `, ${tunnel.message}` : ""}` };
  if (text === "missing jump") return { what: "no way in: its host is not connected to jump" };
  if (text === "flapping") return { what: "comes and goes too often to be told each time" };
  return {};
}

/** What an act is called, in the past. */
export const actWords = {
  ack: "acknowledged", unack: "acknowledgement withdrawn", silence: "silenced", unsilence: "silence ended",
  hold: "held off booking", release: "put back on booking", set_maintenance: "maintenance set",
  remove_maintenance: "maintenance ended", test_mail: "test mail sent",
};

/** What maintenance does to bookings. */
export const bookingsWords = {
  decide: "bookings as ever", close: "bookings closed", leave: "bookings left as they are",
};

/** Whether a name fits one of the patterns of a window, with * and ?. */
export function fits(name, patterns) {
  return patterns.some((pattern) => {
    const source = [...pattern].map((c) => (c === "*" ? ".*" : c === "?" ? "." : c.replace(/[\\^$.|+()[\]{}]/g, "\\$&"))).join("");
    return new RegExp(`^${source}$`, "su").test(name);
  });
}

/** A part of the whole as a percentage that never claims more than is so: 99.99 is not 100. */
export function percent(fraction) {
  if (fraction === undefined || fraction === null) return "not known";
  if (fraction >= 1) return "100 %";
  const digits = fraction >= 0.999 ? 3 : fraction >= 0.99 ? 2 : 1;
  return `${Math.floor(fraction * 100 * 10 ** digits + 1e-7) / 10 ** digits} %`;
}
