// Windows of maintenance: which there are, a form for another, and the list of all
// that people did.
import { $, el, fill, experimentLink, named, put, sign, table } from "./dom.js";
import { get, query, send } from "./api.js";
import { auditRow } from "./audit.js";
import { edit, listenToWindows } from "./windowform.js";
import { failed, shell, title } from "./shell.js";
import { followOne } from "./sync.js";
import { onToken } from "./token.js";
import { say } from "./say.js";
import { lab, watch } from "./store.js";
import { each, left, ms, now, when } from "./time.js";
import { bookingsWords } from "./words.js";

const every = 30e3; // windows and acts of others aren't told live
let windows = [];
let acts = [];
let next = "";
let readAt = 0;

function build() {
  $("#main").replaceChildren(
    el("h1", null, "Maintenance"),
    el("p.lead", null, "During maintenance what happens is kept, shown as maintenance, and not mailed."),
    el("p#doing", null, el("button#new.main", { type: "button" }, "Plan maintenance…"), " ", el("span#result", { role: "status" })),
    el("section", { "aria-labelledby": "windows-heading" }, el("h2#windows-heading", null, "Windows"), el("div#windows", { "aria-busy": "true" })),
    el("section", { "aria-labelledby": "audit-heading" }, el("h2#audit-heading", null, "What people did"), el("div#audit", { "aria-busy": "true" }),
      el("p", null, el("button#older", { type: "button", hidden: true }, "Older ones"))));
  $("#new").addEventListener("click", () => edit(null, saved));
  $("#older").addEventListener("click", () => readActs(true));
  listenToWindows({
    change: (id) => edit(windows.find((one) => one.id === id), saved),
    remove: (id) => remove(windows.find((one) => one.id === id)),
  });
  const names = new URLSearchParams(location.search).get("names");
  if (names !== null) {
    history.replaceState(null, "", "maintenance");
    edit({ names: [names] }, saved);
  }
}

function saved(words) {
  put($("#result"), words);
  read();
}

async function remove(window_) {
  const dialog = el("dialog.ask", { "aria-labelledby": "remove-title" },
    el("form", { method: "dialog" },
      el("h2#remove-title", null, "End this maintenance?"),
      el("p", null, named(window_.names.join(", ")), ": ", named(window_.reason)),
      el("p.quiet", null, window_.active.length ? "It is in force now; what is wrong now is then told." : "It is not in force now."),
      el("p.wrong", { role: "alert", hidden: true }),
      el("div.buttons", null, el("button.main", { value: "ok" }, "End it"), el("button", { type: "button", on: { click: () => dialog.close("") } }, "Keep it"))));
  document.body.append(dialog);
  dialog.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [button, wrong] = [$("button", dialog), $(".wrong", dialog)];
    button.disabled = true;
    try {
      await send("DELETE", `maintenance/${encodeURIComponent(window_.id)}`);
      dialog.close();
      saved("It is ended.");
      say("The maintenance is ended.");
    } catch (fault) {
      put(wrong, fault.message);
      wrong.hidden = false;
      button.disabled = false;
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}

async function read() {
  readAt = now();
  readActs(false);
  try {
    windows = await get("maintenance");
    showWindows();
  } catch (fault) {
    if ($("#windows").hasAttribute("aria-busy")) failed($("#windows"), fault, "The windows");
  }
}

async function readActs(older) {
  try {
    const page = await get(`audit${query({ limit: older ? 100 : Math.min(Math.max(acts.length, 50), 1000), cursor: older ? next : "" })}`);
    acts = older ? [...acts, ...page.acts] : page.acts;
    next = page.next ?? "";
    fill($("#audit"), acts.length ? table("What people did, newest first", ["When", "Who", "What", "Of what", "Their words"], acts.map(auditRow)) : el("p.quiet", null, "Nothing yet."));
    $("#audit").removeAttribute("aria-busy");
    $("#older").hidden = !next;
  } catch (fault) {
    if (!acts.length) failed($("#audit"), fault, "What people did");
  }
}

function showWindows() {
  const change = lab.system?.can_change;
  $("#windows").removeAttribute("aria-busy");
  if (!windows.length) {
    fill($("#windows"), el("p.quiet", null, "None is planned."));
    return;
  }
  const order = (one) => (one.active.length ? -1 : one.next ? ms(one.next.since) : Infinity);
  const sorted = [...windows].sort((a, b) => order(a) - order(b));
  fill($("#windows"), table("Windows of maintenance", ["Experiments", "Now", "When", "Why", "Bookings", ...(change ? ["Change"] : [])], sorted.map((one) => ({
    key: one.id, of: one.active.length ? "active" : "",
    cells: [
      [one.names.map((name, i) => [i ? ", " : null, /[*?]/.test(name) ? named(name) : el("a", { href: experimentLink(name), "data-walk": true }, named(name))])],
      one.active.length ? [sign("maintenance"), "in force, ends in ", left(ms(one.active[0].until))]
        : one.next ? ["begins in ", left(ms(one.next.since)), el("small", null, " ", when(ms(one.next.since), false))] : ["over"],
      [times(one)],
      [named(one.reason), el("small", null, " by ", named(one.by))],
      [bookingsWords[one.bookings]],
      ...(change ? [[el("span.buttons", null,
        el("button", { type: "button", "data-window": "change", "data-id": one.id, "aria-label": `Change the maintenance of ${one.names.join(", ")}` }, "Change…"),
        el("button", { type: "button", "data-window": "remove", "data-id": one.id, "aria-label": `End the maintenance of ${one.names.join(", ")}` }, "End…"))]] : []),
    ],
  }))));
}

function times(one) {
  if (!one.weekly) return [when(ms(one.from), false), " to ", when(ms(one.until), false)];
  const { days, start, end, zone } = one.weekly;
  return [`every ${days.join(" ")}, ${start} to ${end}${end <= start ? " of the next day" : ""}, ${zone}`,
    el("small", null, " from ", when(ms(one.from), false), one.until ? [" until ", when(ms(one.until), false)] : null)];
}

watch((change) => {
  if (!change.system) return;
  $("#doing").hidden = !lab.system.can_change;
  if (windows.length) showWindows();
});
each(() => { if (!document.hidden && now() - readAt > every) read(); });
onToken(read);
title("Maintenance");
shell();
build();
read();
followOne(null, read);
