// All that is reported to this server, by source: as much of it as somebody wants to
// see, found by a filter that lives in the address.
import { $, el, experimentLink, fill, named, put, table } from "./dom.js";
import { get, query } from "./api.js";
import { failed } from "./shell.js";
import { stateCounts } from "./observing.js";
import { said, traffic } from "./tunnels.js";
import { age, ms } from "./time.js";
import { plural, tunnelWords } from "./words.js";

const step = 200; // rows at a time
const most = 1000; // rows in all: more than that is found by the filter
const states = ["ready", "running", "failed", "closed", "unsaid"];
let filter = filterOf(location);
let limit = step;
let asked = 0; // an answer to an earlier question comes too late
let answer = null;

function filterOf({ search }) {
  const given = new URLSearchParams(search);
  const state = given.get("state") ?? "";
  return { source: (given.get("source") ?? "").slice(0, 256), state: states.includes(state) ? state : "", q: (given.get("q") ?? "").slice(0, 200) };
}

/** The choices of a source: those that are known, and the one that is chosen. */
function sources(names) {
  const all = filter.source && !names.includes(filter.source) ? [...names, filter.source] : names;
  return [el("option", { value: "", "data-key": "all" }, "all"),
    all.map((name) => el("option", { value: name, selected: name === filter.source, "data-key": `source ${name}` }, name))];
}

/** The section's content, for its place. */
export function observedSection() {
  const option = (value, words, chosen) => el("option", { value, selected: value === chosen }, words);
  const form = el("form#observed-filter.filter", { role: "search", "aria-label": "What is reported", hidden: true },
    el("label", { for: "observed-source" }, "Source"), el("select#observed-source", null, sources([])),
    el("label", { for: "observed-state" }, "State"),
    el("select#observed-state", null, option("", "any", filter.state), states.map((state) => option(state, state === "unsaid" ? "not said" : tunnelWords(state), filter.state))),
    el("label", { for: "observed-q" }, "Find"),
    el("input#observed-q", { type: "search", value: filter.q, maxlength: 200, autocomplete: "off", spellcheck: "false" }));
  const choose = (chosen) => {
    filter = { ...filter, ...chosen };
    limit = step;
    history.replaceState(null, "", `system${query(filter)}`);
    readObserved();
  };
  let wait = 0;
  form.addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(() => choose({ source: $("#observed-source").value, state: $("#observed-state").value, q: $("#observed-q").value.trim() }), 250);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  const more = el("button#observed-more", { type: "button", hidden: true, on: { click: () => { limit += step; readObserved(); } } }, `Show ${step} more`);
  return [el("p#observed-in"), form, el("p#observed-count.quiet", { role: "status" }), el("div#observed-fault"), el("div#observed-rows"), el("p", null, more)];
}

/** Reads what is asked for. */
export async function readObserved() {
  const mine = ++asked;
  try {
    const found = await get(`observed${query({ ...filter, limit })}`);
    if (mine !== asked) return;
    answer = found;
    fill($("#observed-fault"));
    showObserved();
  } catch (fault) {
    if (mine !== asked) return;
    $("#observed-filter").hidden = false; // it may be what was asked for
    failed($("#observed-fault"), fault, answer ? "Below is what was read before; what is asked for now" : "What is reported");
  }
}

function showObserved() {
  const { sources: all, subjects, total, receiver } = answer;
  fill($("#observed-in"), receiver ? received(receiver) : "Reports are not listened to: neither STATUS_OBSERVER_LISTEN nor STATUS_OBSERVER_GRPC_LISTEN is set.");
  const any = all.length > 0;
  $("#observed-filter").hidden = !any;
  const select = $("#observed-source");
  if (document.activeElement !== select || select.options.length === 1) {
    fill(select, sources(all.map((one) => one.source)));
    select.value = filter.source;
  }
  const fits = Object.values(filter).some(Boolean) ? " that fit" : "";
  put($("#observed-count"), !any ? receiver ? "Nothing has been reported yet." : ""
    : subjects.length < total ? `${subjects.length.toLocaleString("en")} of ${plural(total, "service and client", "services and clients")}${fits} are shown${limit < most ? "" : "; use the filter for the others"}.`
      : `${plural(total, "service or client", "services and clients")}${fits}.`);
  $("#observed-more").hidden = subjects.length >= total || limit >= most;
  const summary = new Map(all.map((one) => [one.source, one]));
  fill($("#observed-rows"), [...bySource(subjects)].map(([source, rows]) => group(summary.get(source), source, rows)));
}

function bySource(subjects) {
  const found = new Map();
  for (const one of subjects) {
    if (!found.has(one.source)) found.set(one.source, []);
    found.get(one.source).push(one);
  }
  return found;
}

function group(counts, source, rows) {
  return el("section", { "data-key": source, "aria-label": source },
    el("h3", null, named(source), el("span.quiet", null, " ", counts ? stateCounts(counts).join(", ") : null,
      counts?.last_at ? [", newest report ", age(ms(counts.last_at)), " ago"] : null)),
    table(`Reported by ${source}`, ["Service or client", "Experiment", "It said", "Carried", "Last heard of"], rows.map((one) => ({
      key: JSON.stringify([one.service, one.client]), of: one.state === "failed" ? "unhealthy" : "",
      cells: [
        [named(one.service), one.client ? [" / ", named(one.client)] : null, el("small", null, one.client ? " client" : " service")],
        one.experiment
          ? [el("a", { href: experimentLink(one.experiment), "data-walk": true }, named(one.experiment)), el("small", null, one.required ? " required" : " access")]
          : [el("span.quiet", null, "nobody's")],
        said(one, true),
        traffic(one),
        [one.last_at ? [age(ms(one.last_at)), " ago"] : "never"],
      ],
    }))));
}

function received(r) {
  const refused = Object.entries(r.refused).sort(([a], [b]) => (a < b ? -1 : 1));
  const n = refused.reduce((all, [, one]) => all + one, 0);
  return [`Reports are listened to at ${r.addresses.join(" and ") || "no address"}. Since the start ${plural(r.reports, "report")} with ${plural(r.events, "event")} taken`,
    r.repeats ? `, ${plural(r.repeats, "repeat")} left out` : null,
    r.unknown ? `, ${plural(r.unknown, "event")} of unknown kind ignored` : null,
    n ? [`, ${n.toLocaleString("en")} refused (`, named(refused.map(([reason, one]) => `${one.toLocaleString("en")} ${reason}`).join(", ")), ")"] : null, ". ",
    r.keep_error ? el("strong", null, "What was heard can't be kept: ", named(r.keep_error)) : null];
}
