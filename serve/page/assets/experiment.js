// One experiment: what is wrong and since when, its streams as they transmit, its
// booking, its history, its events, and what can be done.
import { $, el, fill, named, put, sign, table } from "./dom.js";
import { experimentPath, get } from "./api.js";
import { actButtons, issueList, marks } from "./cards.js";
import { bar, legend, spans, stretches } from "./bars.js";
import { eventRows, headings } from "./eventlist.js";
import { failed, shell, title } from "./shell.js";
import { followOne } from "./sync.js";
import { hearActs } from "./acts.js";
import { onToken } from "./token.js";
import { booking, jump, streams } from "./parts.js";
import { tunnels } from "./tunnels.js";
import { say } from "./say.js";
import { lab, watch } from "./store.js";
import { age, clockTime, each, ms, now } from "./time.js";
import { isWrong, percent, stateSentence } from "./words.js";

const name = new URLSearchParams(location.search).get("name") ?? "";
const historyEvery = 60e3;
const carriedEvery = 15e3; // figures aren't told live
let report = null;
let events = null; // newest first; null: not read yet
let allEvents = false;
let history = null;
let historyAt = 0;
let carried = null; // what is reported of its tunnels; null: not read yet
let carriedAt = 0;
let built = false;

const section = (id, heading, ...children) =>
  el("section", { id, "aria-labelledby": `${id}-heading` }, el("h2", { id: `${id}-heading` }, heading), children);

function build() {
  built = true;
  $("#main").removeAttribute("aria-busy");
  $("#main").replaceChildren(
    el("h1#title"), el("p#lead.lead"), el("div#gone"), el("div#wrong"), el("div#acts", { role: "group", "aria-label": "What can be done" }), el("p#asof.quiet"),
    section("streams", "Streams", el("div#streamlist")),
    section("tunnels", "Tunnels", el("div#tunnellist")),
    section("jump", "Jump", el("div#jumpline")),
    section("booking", "Booking", el("div#bookinglist")),
    section("history", "History", el("div#bars", { "aria-busy": "true" }, el("p.quiet", null, "Reading…"))),
    section("events", "Events", el("div#eventlist", { "aria-busy": "true" }, el("p.quiet", null, "Reading…"))),
    section("raw", "Raw report", el("details#rawbox", null, el("summary", null, "As the API gives it"),
      el("pre#rawtext", { tabindex: 0, role: "region", "aria-label": "Raw report" })),
    el("p", null, el("a", { href: `api/v1/${experimentPath(name)}` }, "Report"), " · ",
      el("a", { href: `api/v1/experiments/events/${encodeURIComponent(name)}` }, "Events"), " · ",
      el("a", { href: `badge/${encodeURIComponent(name)}.svg` }, "Badge"))));
  $("#rawbox").addEventListener("toggle", showRaw);
}

function take(fresh) {
  if (fresh === undefined) { // what was missed is not known
    load();
    return;
  }
  if (fresh === null) {
    if (built) fill($("#gone"), el("p.notice.unsure", { role: "status" }, "It is in neither the manifest nor any report any more. What you see was known last."));
    return;
  }
  const before = report;
  report = fresh;
  if (!built) build();
  fill($("#gone"));
  show();
  if (before && before.state !== report.state) say(`${name} is ${report.state}.`);
  if (before && (before.state !== report.state || Boolean(before.maintenance) !== Boolean(report.maintenance))) historyAt = Math.min(historyAt, now() - historyEvery + 3000);
}

function show() {
  fill($("#title"), sign(report.state), named(name), el("span.quiet", null, ` ${report.state} for `, age(ms(report.since))));
  title(`${name} ${report.state}`, isWrong(report) ? "bad" : report.state === "healthy" ? "good" : "unsure");
  const day = report.uptime_24h ?? null;
  put($("#lead"), `${stateSentence(report)}.${day === null ? "" : ` In the last 24 hours it was well for ${percent(day)} of the time that is known.`}`);
  fill($("#wrong"), issueList(report), marks(report));
  showActs();
  const asOf = Math.max(ms(report.last_checked_streams) || 0, ms(report.last_checked_jump) || 0);
  fill($("#asof"), asOf ? ["As of ", clockTime(asOf), ", ", age(asOf), " ago"] : "It has not been checked yet");
  fill($("#streamlist"), streams(report));
  showTunnels();
  fill($("#jumpline"), jump(report));
  fill($("#bookinglist"), booking(report));
  showRaw();
}

function showTunnels() {
  const any = report.tunnels.length > 0;
  $("#tunnels").hidden = !any;
  if (!any) return;
  fill($("#tunnellist"), tunnels(report, carried));
  if (now() - carriedAt > carriedEvery) readCarried();
}

async function readCarried() {
  carriedAt = now();
  try {
    carried = (await get(`observed?${new URLSearchParams({ experiment: name, limit: 20000 })}`)).subjects;
    showTunnels();
  } catch {
    // What was read before stays, and the banner says where the server is lost.
  }
}

function showActs() {
  const group = $("#acts");
  if (lab.system && !lab.system.can_change) {
    fill(group, el("p.quiet", null, "Nothing can be changed from here: the server runs without STATUS_SECRET_STATUS."));
    return;
  }
  fill(group, actButtons(report), el("p", { "data-key": "plan" },
    el("a", { href: `maintenance?${new URLSearchParams({ names: name })}` }, "Plan maintenance for it…")));
}

function showRaw() {
  if (report && $("#rawbox")?.open) put($("#rawtext"), JSON.stringify(report, null, 2));
}

async function readHistory() {
  historyAt = now();
  const to = now();
  try {
    history = await get(experimentPath(name, `/history?from=${new Date(to - 30 * 86400e3).toISOString()}`));
  } catch (fault) {
    if (!history) failed($("#bars"), fault, "The history");
    return;
  }
  const end = ms(history.to);
  fill($("#bars"), spans.map((one) => bar(one, history, end)), legend(),
    el("details", { "data-key": "stretches" }, el("summary", null, "In words: when it was not well"), stretches(history)),
    history.cut ? el("p.quiet", null, "Older changes are too many to be shown.") : null);
  $("#bars").removeAttribute("aria-busy");
}

async function readEvents() {
  try {
    events = (await get(`experiments/events/${encodeURIComponent(name)}`)).reverse();
  } catch (fault) {
    failed($("#eventlist"), fault, "The events");
    return;
  }
  showEvents();
}

const mostEvents = 50;

function showEvents() {
  const shown = allEvents ? events : events.slice(0, mostEvents);
  fill($("#eventlist"), events.length ? table("Events", headings(false), eventRows(shown, events, false)) : el("p.quiet", null, "None kept."),
    shown.length < events.length ? el("button#older", { type: "button" }, `Show all ${events.length}`) : null);
  $("#eventlist").removeAttribute("aria-busy");
}

document.addEventListener("click", (event) => {
  if (event.target.id !== "older") return;
  allEvents = true;
  showEvents();
});

async function load() {
  try {
    take(await get(experimentPath(name)));
  } catch (fault) {
    if (built) return; // the banner says that the server is lost
    $("#main").removeAttribute("aria-busy");
    if (fault.status === 404) showMissing();
    else if (!$("#failed")) $("#main").prepend(el("p#failed.notice.unsure", { role: "alert" }, el("strong", null, "This page isn't kept up to date. "), fault.message));
    return;
  }
  readHistory();
  readEvents();
}

function showMissing() {
  title("No such experiment", "unsure");
  $("#main").replaceChildren(
    el("h1", null, "There is no experiment ", named(name)),
    el("p", null, "Experiments are named by their topic stub, such as pend00. One that is in neither the manifest nor any report ",
      "is forgotten after a while. If it appears, it is shown here."),
    el("p", null, el("a", { href: "./" }, "All experiments")));
}

watch((change) => {
  if (change.system && built) showActs();
  const mine = change.events.filter((event) => event.experiment === name);
  if (mine.length && events) {
    const known = new Set(events.map((event) => event.when));
    events.unshift(...mine.filter((event) => !known.has(event.when)).reverse());
    showEvents();
  }
});
each(() => {
  if (built && !document.hidden && now() - historyAt > historyEvery) readHistory();
  if (built && !document.hidden && report.tunnels.length && now() - carriedAt > carriedEvery) readCarried();
});
onToken(() => { if (!built) load(); });
$("#main").setAttribute("aria-busy", "true");
shell();
hearActs(take);
followOne(name, (fresh) => {
  const first = !built;
  take(fresh);
  if (first && built) {
    readHistory();
    readEvents();
  }
});
load();
