// What the page knows of the laboratory: a short form of every report, and the
// system. Watchers are told once a frame, of what has changed since the last.
import { soon } from "./frame.js";
import { countOf, isWrong, isCaredFor } from "./words.js";

/** Everything known. Rows are never altered: a change makes a new one. */
export const lab = {
  rows: new Map(), // by name
  system: null,
  asOf: NaN, // ms
  loaded: false,
};

const watchers = new Set();
let pending = fresh();
let scheduled = false;

function fresh() {
  return { names: new Set(), gone: new Set(), all: false, system: false, events: [] };
}

/**
 * Has task called with {names, gone, all, system, events}: names of rows that are new
 * or differ, names that are gone, whether everything was read anew, whether the
 * system differs, and events that came.
 */
export const watch = (task) => watchers.add(task);

function schedule() {
  if (scheduled) return;
  scheduled = true;
  soon(() => {
    scheduled = false;
    const change = pending;
    pending = fresh();
    for (const task of watchers) task(change);
  });
}

/** Which part of the overview an experiment belongs to. */
export function groupOf(r) {
  if (isWrong(r)) return isCaredFor(r) ? "cared" : "need";
  return r.state; // unknown, starting, healthy
}

/** What is kept of a report: of one that is plainly well only a little. */
function rowOf(r) {
  const plain = r.state === "healthy" || r.state === "starting";
  const simple = plain && !r.held && r.available && r.availability_known && (r.resources?.length ?? 0) < 2;
  return {
    name: r.topic_name, state: r.state, since: Date.parse(r.since), healthy: r.healthy,
    resource_name: r.resource_name, available: r.available, availability_known: r.availability_known,
    held: r.held, ack: r.ack, silence: r.silence, maintenance: r.maintenance,
    issues: r.issues?.length ? r.issues : none,
    streams: plain ? none : (r.streams ?? none).filter((s) => s.verdict !== "ok"),
    tunnels: plain ? none : (r.tunnels ?? none).filter((t) => t.verdict !== "ok"),
    issue_details: r.issue_details ?? none,
    resources: simple ? none : (r.resources ?? none),
    group: groupOf(r),
  };
}

const none = Object.freeze([]);

// A moment of transmission moves on with each report and is no change to a reader
// of the overview, unless the stream is in trouble.
const sameRow = (a, b) => {
  for (const key of ["state", "since", "healthy", "available", "availability_known", "resource_name"]) {
    if (a[key] !== b[key]) return false;
  }
  for (const key of ["held", "ack", "silence", "maintenance", "issues", "issue_details", "streams", "tunnels", "resources"]) {
    if (a[key] !== b[key] && JSON.stringify(a[key], stable) !== JSON.stringify(b[key], stable)) return false;
  }
  return true;
};
const stable = (key, value) => (key === "read_at" || key === "last_at" ? undefined : value);

/** Takes in reports that have changed, and names that are gone. */
export function take(reports, gone = []) {
  for (const report of reports) {
    const row = rowOf(report);
    const had = lab.rows.get(row.name);
    if (had && sameRow(had, row)) continue;
    lab.rows.set(row.name, row);
    pending.names.add(row.name);
    pending.gone.delete(row.name);
  }
  for (const name of gone) {
    if (!lab.rows.delete(name)) continue;
    pending.gone.add(name);
    pending.names.delete(name);
  }
  if (pending.names.size || pending.gone.size) schedule();
}

/** Puts a whole list in place of what is known. */
export function replace(reports) {
  lab.rows = new Map(reports.map((report) => [report.topic_name, rowOf(report)]));
  lab.loaded = true;
  pending.names.clear();
  pending.gone.clear();
  pending.all = true;
  schedule();
}

export function takeSystem(system) {
  lab.system = system;
  if (system.as_of) lab.asOf = Math.max(lab.asOf || 0, Date.parse(system.as_of));
  pending.system = true;
  schedule();
}

export function takeEvent(event) {
  pending.events.push(event);
  schedule();
}

export const counts = () => countOf(lab.rows.values());
