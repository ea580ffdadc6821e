// The events of all experiments, newest first, with a filter in the address; new ones
// come in as they happen.
import { $, el, fill, put, table } from "./dom.js";
import { get, query } from "./api.js";
import { eventRows, headings } from "./eventlist.js";
import { failed, shell, title } from "./shell.js";
import { followOne } from "./sync.js";
import { onToken } from "./token.js";
import { watch } from "./store.js";
import { fromLocal, localValue, ms, zone } from "./time.js";
import { plural } from "./words.js";

let filter = filterOf(location);
let events = [];
let next = "";
let asked = 0; // an answer to an earlier question comes too late

/** The filter in an address; times in RFC 3339. */
function filterOf({ search }) {
  const given = new URLSearchParams(search);
  const time = (name) => (Number.isNaN(ms(given.get(name))) ? "" : given.get(name));
  return { q: (given.get("q") ?? "").slice(0, 200), experiment: (given.get("experiment") ?? "").slice(0, 256), since: time("since"), until: time("until") };
}

function build() {
  const field = (name, label, attributes) => [el("label", { for: name }, label), el("input", { id: name, name, ...attributes })];
  const main = $("#main");
  main.replaceChildren(
    el("h1", null, "Events"),
    el("form#filter", { role: "search", "aria-label": "Events" },
      field("q", "Find", { type: "search", maxlength: 200, autocomplete: "off", spellcheck: "false", "aria-keyshortcuts": "/" }),
      field("experiment", "Experiment", { type: "text", maxlength: 256, autocomplete: "off", spellcheck: "false" }),
      field("since", "From", { type: "datetime-local", title: `in ${zone}` }),
      field("until", "Until", { type: "datetime-local", title: `in ${zone}` })),
    el("p#summary.quiet", { role: "status" }),
    el("div#list", { "aria-busy": "true" }),
    el("p", null, el("button#older", { type: "button", hidden: true }, "Older ones")));
  showFields();
  let wait = 0;
  $("#filter").addEventListener("input", () => {
    clearTimeout(wait);
    wait = setTimeout(() => choose(fields()), 250);
  });
  $("#filter").addEventListener("submit", (event) => {
    event.preventDefault();
    choose(fields());
    $("[data-walk]")?.focus();
  });
  $("#older").addEventListener("click", () => read(true));
}

function showFields() {
  $("#q").value = filter.q;
  $("#experiment").value = filter.experiment;
  $("#since").value = filter.since ? localValue(ms(filter.since)) : "";
  $("#until").value = filter.until ? localValue(ms(filter.until)) : "";
}

const fields = () => ({
  q: $("#q").value.trim(), experiment: $("#experiment").value.trim(),
  since: fromLocal($("#since").value) ?? "", until: fromLocal($("#until").value) ?? "",
});

function choose(chosen) {
  if (JSON.stringify(chosen) === JSON.stringify(filter)) return;
  filter = chosen;
  window.history.replaceState(null, "", query(filter) || "events");
  read(false);
}

async function read(older) {
  const mine = ++asked;
  try {
    const page = await get(`events${query({ ...filter, limit: 100, cursor: older ? next : "" })}`);
    if (mine !== asked) return;
    events = older ? [...events, ...page.events] : page.events;
    next = page.next ?? "";
    show();
  } catch (fault) {
    if (mine === asked) failed($("#list"), fault, "Events");
  }
}

function show() {
  const any = Object.values(filter).some(Boolean);
  put($("#summary"), `${plural(events.length, "event")}${next ? ", and older ones" : ""}${any ? " that fit" : ""}. Times are those of ${zone}.`);
  fill($("#list"), events.length
    ? table("Events, newest first", headings(true), eventRows(events, events, true))
    : el("p", null, any ? "No event fits. " : "None kept. ", any ? el("a", { href: "events" }, "Show all") : null));
  $("#list").removeAttribute("aria-busy");
  $("#older").hidden = !next;
}

/** Whether an event that has just come is one of those asked for. */
function fits(event) {
  const text = filter.q.toLowerCase();
  const at = ms(event.when);
  return (!filter.experiment || event.experiment === filter.experiment)
    && (!filter.since || at >= ms(filter.since)) && (!filter.until || at < ms(filter.until))
    && (!text || event.experiment.toLowerCase().includes(text) || event.issues.some((issue) => issue.toLowerCase().includes(text)));
}

watch(({ events: came }) => {
  const known = new Set(events.map((event) => `${event.when} ${event.experiment}`));
  const fresh = came.filter((event) => fits(event) && !known.has(`${event.when} ${event.experiment}`));
  if (!fresh.length) return;
  events = [...fresh.reverse(), ...events];
  show();
});
addEventListener("popstate", () => {
  filter = filterOf(location);
  showFields();
  read(false);
});
onToken(() => read(false));
title("Events");
shell();
build();
read(false);
followOne(null, () => read(false));
