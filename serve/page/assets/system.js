// What the server stands on: its sources, booking, mail and store, its settings,
// versions and connections.
import { $, el, fill, named, sign, table } from "./dom.js";
import { get } from "./api.js";
import { bytes, seconds } from "./figures.js";
import { followObserving, observingTiles } from "./observing.js";
import { observedSection, readObserved } from "./observedlist.js";
import { observersSection, showObservers } from "./observers.js";
import { failed, shell, title } from "./shell.js";
import { followOne } from "./sync.js";
import { onToken, token } from "./token.js";
import { lab, takeSystem, watch } from "./store.js";
import { notices, strip } from "./strip.js";
import { age, each, left, ms, now, when } from "./time.js";
import { headline, plural } from "./words.js";

const every = 15e3; // connections and timings aren't told live
let readAt = 0;
let settings = null; // only who may change something is given them

const section = (id, heading) => el("section", { id, "aria-labelledby": `${id}-heading` }, el("h2", { id: `${id}-heading` }, heading), el("div.content"));

function build() {
  $("#main").replaceChildren(
    el("h1", null, "System"), el("p#about.lead"), el("div#notices"),
    el("ul#strip.strip", { "aria-label": "Sources, mail and store" }),
    section("sources", "Sources"), section("observers", "Observers: who is told how this server is"), section("observed", "Observed: what is reported to this server"),
    section("settings", "Settings"), section("connections", "Connections"), section("timings", "How long things take"));
  $("#observers .content").append(...observersSection());
  $("#observed .content").append(...observedSection());
}

async function read() {
  readAt = now();
  readObserved();
  try {
    const system = await get("system");
    settings = system.settings ?? null;
    takeSystem(system);
  } catch (fault) {
    if (!lab.system) failed($("#notices"), fault, "The system");
  }
}

function show() {
  const s = lab.system;
  fill($("#about"), "Version ", named(s.version), ", started ", when(ms(s.started)), ", ", age(ms(s.started)), " ago. ",
    `${headline({ ...s.counts, cared: 0 })[0]}.`.replace(/ needs? you\.$/, " not well."));
  fill($("#notices"), notices(s));
  showObserving();
  fill($("#sources .content"), table("Sources", ["Source", "State", "Last frame", "Its frames", "Our connection", "Last error"], s.sources.map((one) => ({
    key: one.name,
    cells: [
      [one.name], [sign(one.state === "fresh" ? "good" : one.state === "silent" ? "bad" : "unsure"), one.state, one.settles_at ? [", settled in ", left(ms(one.settles_at))] : null],
      [one.last_frame ? [age(ms(one.last_frame)), " ago"] : "none yet"],
      [`${plural(one.connections, "connection")}; `, one.cadence_seconds ? `one every ${seconds(one.cadence_seconds)}; ` : null,
        `silent after ${seconds(one.window_seconds)}`, one.widened ? " (widened: its frames are rare)" : null],
      [one.connected ? ["open", one.connected_since ? [" for ", age(ms(one.connected_since))] : null] : "not open", `, ${plural(one.reconnects, "unplanned reconnect")}`],
      [one.last_error ? named(one.last_error) : el("span.quiet", null, "none")],
    ],
  }))));
  fill($("#settings .content"), settings ? table("Settings in force", ["Setting", "Value", "From"], settings.map((one) => ({
    key: one.name, cells: [[el("code", null, one.name)], [one.value === "" ? el("span.quiet", null, "not set") : named(one.value)], [one.source]],
  }))) : el("p.quiet", null, token() ? "They are shown to tokens that carry status:admin." : "They are shown to who enters a token that carries status:admin. Secrets are masked."));
  fill($("#connections .content"), s.connections.length ? table("Connections since the start", ["Place", "Kind", "Open", "Made", "Failed", "Read", "Written"], s.connections.map((one) => ({
    key: one.name,
    cells: [[one.name], [one.kind === "listener" ? "accepts" : "opens"], [one.open], [one.established],
      [Object.entries(one.failed).map(([reason, n]) => `${n} ${reason}`).join(", ") || (one.accept_errors ? `${one.accept_errors} not accepted` : "none")],
      [bytes(one.read_bytes)], [bytes(one.written_bytes)]],
  }))) : el("p.quiet", null, "Not counted."));
  fill($("#timings .content"), s.timings.length ? table("Timings", ["What", "Times", "Mean", "Half below", "95 of 100 below", "Longest"], s.timings.map((one) => ({
    key: one.name,
    cells: [[el("code", null, one.name)], [one.count], [seconds(one.mean_seconds)], [seconds(one.p50_seconds)], [seconds(one.p95_seconds)], [seconds(one.max_seconds)]],
  }))) : el("p.quiet", null, "Not measured."));
}

function showObserving() {
  if (lab.system) fill($("#strip"), strip(lab.system, observingTiles()));
  showObservers();
}

watch((change) => { if (change.system) show(); });
each(() => { if (!document.hidden && now() - readAt > every) read(); });
onToken(read);
title("System");
shell();
build();
read();
followObserving(showObserving);
followOne(null, read);
