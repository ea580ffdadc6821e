// Who is told how this server is, and who reports to it: read now and then, as
// neither comes live, and shown in the strip.
import { get } from "./api.js";
import { onToken } from "./token.js";
import { each, ms, now, span } from "./time.js";
import { plural, tunnelWords } from "./words.js";

const every = 10e3;

/** What was read last; observers as the API lists them, observed without its subjects. */
export const told = { observers: [], observed: null, fault: null };

const watchers = new Set();
let readAt = 0;
let asked = 0; // questions, numbered
let taken = 0; // the newest of them that was answered
let refused = false; // until there is another token

/** Has task called whenever told has been read anew, and begins to read it. */
export function followObserving(task) {
  watchers.add(task);
  if (watchers.size > 1) return;
  each(() => { if (!document.hidden && !refused && now() - readAt > every) readObserving(); });
  onToken(() => {
    refused = false;
    readObserving();
  });
  readObserving();
}

/** Reads it now. */
export async function readObserving() {
  readAt = now();
  const mine = ++asked;
  let fresh;
  try {
    const [observers, observed] = await Promise.all([get("observers"), get("observed?limit=0")]);
    fresh = { observers, observed, fault: null };
  } catch (fault) {
    fresh = { fault }; // what was read before stays
  }
  if (mine < taken) return; // a later question was answered first
  taken = mine;
  refused = fresh.fault?.status === 401;
  Object.assign(told, fresh);
  for (const task of watchers) task();
}

/** Their tiles in the strip, as strip.js has them; none where there is nobody. */
export const observingTiles = () => [tunnelsTile(told.observed), observersTile(told.observers)].filter(Boolean);

/** What is reported to us. */
export function tunnelsTile(observed) {
  const sources = observed?.sources ?? [];
  const sum = (field) => sources.reduce((n, one) => n + one[field], 0);
  if (!sum("subjects")) return null;
  const word = [plural(sources.length, "source"), ...stateCounts({
    ready: sum("ready"), running: sum("running"), failed: sum("failed"), closed: sum("closed"), unsaid: sum("unsaid"),
  })].join(", ");
  const at = Math.max(...sources.map((one) => ms(one.last_at)).filter((one) => !Number.isNaN(one)));
  const tile = { name: "tunnels", tone: sum("failed") ? "unsure" : "good", word, what: "newest report", at: Number.isFinite(at) ? at : NaN, note: "" };
  const { refused: reasons = {}, keep_error: keep } = observed.receiver ?? {};
  const n = Object.values(reasons).reduce((all, one) => all + one, 0);
  if (n) tile.note = `${plural(n, "report")} refused`;
  if (keep) Object.assign(tile, { tone: "bad", note: `what was heard can't be kept: ${keep}` });
  return tile;
}

/** How many are in each state that any is in: ["12 ready", "1 failed"]. */
export const stateCounts = ({ ready, running, failed, closed, unsaid }) =>
  [[ready, tunnelWords("ready")], [running, tunnelWords("running")], [failed, tunnelWords("failed")], [closed, tunnelWords("closed")], [unsaid, "not said"]]
    .filter(([n]) => n).map(([n, word]) => `${n.toLocaleString("en")} ${word}`);

/** Whom we tell. */
export function observersTile(all) {
  if (!all.length) return null;
  const failing = all.filter((one) => one.failing_since);
  const untold = all.filter((one) => !one.failing_since && !one.last_ok).length;
  const pending = all.reduce((n, one) => n + one.pending, 0);
  const keep = all.findLast((one) => one.keep_error)?.keep_error;
  const oldest = Math.min(...failing.map((one) => ms(one.failing_since)));
  const at = Math.max(...all.map((one) => ms(one.last_ok)).filter((one) => !Number.isNaN(one)));
  const tile = { name: "observers", tone: "good", word: "ok", what: "last told", at: Number.isFinite(at) ? at : NaN, note: plural(all.length, "observer") };
  if (pending) tile.note += `, ${plural(pending, "event")} pending`;
  if (failing.length === 1) {
    Object.assign(tile, { tone: "bad", word: `${failing[0].spec.name} failing for ${span(now() - oldest)}`, note: `${tile.note}: ${failing[0].last_error ?? ""}` });
  } else if (failing.length) {
    Object.assign(tile, { tone: "bad", word: `${failing.length} of ${all.length} failing for ${span(now() - oldest)}` });
  } else if (keep) {
    Object.assign(tile, { tone: "bad", word: "can't be kept", note: `${tile.note}: ${keep}` });
  } else if (untold) {
    Object.assign(tile, { tone: "unsure", word: `${untold} of ${all.length} not told yet` });
  }
  return tile;
}
