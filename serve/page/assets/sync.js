// Keeps what is known of the laboratory equal to what the server knows: a whole list
// to begin with, and live changes on top of it, without a gap between the two.
import { get } from "./api.js";
import { follow } from "./live.js";
import { onToken, token } from "./token.js";
import { replace, take, takeEvent, takeSystem, lab } from "./store.js";

let version = null; // of the snapshot that our list is as of; null: there is no list
let wanted = 0; // the list that is being read must be at least as new
let loading = false;
let waiting = []; // live changes that came while the list was being read

/** Follows all experiments, for pages that show them. */
export function followAll() {
  load();
  onToken(() => { if (version === null && token()) load(); });
  follow({
    hello(hello, resumed) {
      // Changes up to hello's version came before we listened; after a break they come again.
      if (!resumed) newerThan(hello.version);
    },
    reset() {
      version = null;
      waiting = [];
      wanted = 0;
      load();
    },
    experiments(message) {
      if (version === null || loading) waiting.push(message);
      else apply(message);
    },
    system: takeSystem,
    event: takeEvent,
  });
}

/** Follows the system and the events, and the reports of at most one experiment: onReport gets each, null once it is gone. */
export function followOne(name, onReport) {
  const quoted = name === null ? null : plainName(name) ? `"topic_name":${JSON.stringify(name)}` : "";
  const gone = name === null ? null : JSON.stringify(name);
  follow({
    experiments({ changed, gone: left }) {
      const report = changed.find((r) => r.topic_name === name);
      if (report) onReport(report);
      else if (left.includes(name)) onReport(null);
    },
    reset: () => onReport?.(undefined),
    system: takeSystem,
    event: takeEvent,
  }, (event, text) => event !== "experiments"
    || (quoted !== null && (quoted === "" || text.includes(quoted) || text.includes(gone))));
}

// Names of other characters may be written in several ways in JSON.
const plainName = (name) => /^[\w.-]+$/.test(name);

function newerThan(least) {
  if (loading) wanted = least;
  else if (version === null || version < least) load();
}

async function load() {
  if (loading) return;
  loading = true;
  try {
    const list = await get("overview.json", { outside: true });
    version = list.version;
    if (list.as_of) lab.asOf = Date.parse(list.as_of);
    replace(list.experiments);
    const missed = waiting;
    waiting = [];
    for (const message of missed) apply(message);
  } catch (fault) {
    if (fault.status === undefined) throw fault;
    if (fault.status !== 401) setTimeout(load, 4000); // the banner says that the server is lost
    return;
  } finally {
    loading = false;
  }
  const least = wanted;
  wanted = 0;
  if (version < least) load(); // it was made before we began to listen
}

function apply(message) {
  if (message.version <= version) return; // the list has it
  if (message.as_of) lab.asOf = Math.max(lab.asOf || 0, Date.parse(message.as_of));
  take(message.changed, message.gone);
}
