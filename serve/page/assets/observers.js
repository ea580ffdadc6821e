// Who is told how this server is: how the telling goes, and what can be changed of it.
import { $, el, fill, named, put, sign, table } from "./dom.js";
import { get, send } from "./api.js";
import { editObserver } from "./observerform.js";
import { readObserving, told } from "./observing.js";
import { failed } from "./shell.js";
import { lab } from "./store.js";
import { age, ms } from "./time.js";
import { plural } from "./words.js";

/** The section's content, for its place. */
export function observersSection() {
  const list = el("div#observer-list");
  list.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-observer]");
    if (!button) return;
    const { observer, name } = button.dataset;
    if (observer === "change") change(name);
    else remove(name);
  });
  return [list, el("p#observer-doing", { hidden: true },
    el("button#observer-new", { type: "button", on: { click: () => editObserver(null, saved) } }, "Tell another observer…"), " ",
    el("span#observer-result", { role: "status" }))];
}

function saved(words) {
  put($("#observer-result"), words); // it is a live region
  readObserving();
}

// Only who may change an observer is given its whole address.
async function change(name) {
  put($("#observer-result"), "");
  try {
    const { spec, whole } = await get(`observers/${encodeURIComponent(name)}`, { admin: true });
    if (whole) editObserver(spec, saved);
    else put($("#observer-result"), "Changing an observer takes a token with the scope status:admin; the server takes yours for none.");
  } catch (fault) {
    put($("#observer-result"), fault.message);
  }
}

function remove(name) {
  const dialog = el("dialog.ask", { "aria-labelledby": "unobserve-title" },
    el("form", { method: "dialog" },
      el("h2#unobserve-title", null, "Tell ", named(name), " nothing more?"),
      el("p", null, "What it has not acknowledged is forgotten."),
      el("p.wrong", { role: "alert", hidden: true }),
      el("div.buttons", null, el("button.main", { value: "ok" }, "Remove it"), el("button", { type: "button", on: { click: () => dialog.close("") } }, "Keep it"))));
  document.body.append(dialog);
  dialog.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [button, wrong] = [$("button", dialog), $(".wrong", dialog)];
    button.disabled = true;
    try {
      await send("DELETE", `observers/${encodeURIComponent(name)}`);
      dialog.close();
      $("#observer-new").focus(); // the button that asked goes with its row
      saved(`${name} is removed.`);
    } catch (fault) {
      put(wrong, fault.message);
      wrong.hidden = false;
      button.disabled = false;
      button.focus(); // what is switched off loses the focus
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}

/** Shows the list as it was read last. */
export function showObservers() {
  const list = $("#observer-list");
  const mayChange = Boolean(lab.system?.can_change);
  $("#observer-doing").hidden = !mayChange;
  if (told.fault && !told.observed) {
    failed(list, told.fault, "The observers");
    return;
  }
  if (!told.observed) return; // not read yet
  fill(list, told.observers.length ? table("Observers", ["Observer", "Where", "Now", "Told since the start", "Waiting", ...(mayChange ? ["Change"] : [])], told.observers.map((one) => ({
    key: one.spec.name, of: one.failing_since ? "unhealthy" : "",
    cells: [
      [named(one.spec.name), one.fixed ? el("small.facts", null, "set in the file of STATUS_OBSERVERS") : null],
      where(one.spec),
      fate(one),
      [`${plural(one.reports, "report")} with ${plural(one.events, "event")}`, one.failures ? `, ${plural(one.failures, "attempt")} failed` : null],
      waiting(one),
      ...(mayChange ? [one.fixed ? [el("span.quiet", null, "in the file")] : [el("span.buttons", null,
        el("button", { type: "button", "data-observer": "change", "data-name": one.spec.name, "aria-label": `Change ${one.spec.name}` }, "Change…"),
        el("button", { type: "button", "data-observer": "remove", "data-name": one.spec.name, "aria-label": `Remove ${one.spec.name}` }, "Remove…"))]] : []),
    ],
  }))) : el("p.quiet", null, "Nobody is told how this server is."));
}

function where({ type, address, tls, token, timeout, period, reset_traffic: reset }) {
  const facts = [type, period ? `every ${period}` : "", timeout ? `patience ${timeout}` : "", token ? "with a token" : "", tls ? "TLS settings" : "", reset ? "bytes since the last report" : ""];
  return [el("span.address", null, named(address)), el("small.facts", null, named(facts.filter(Boolean).join(", ")))];
}

function fate(one) {
  const ok = one.last_ok ? [", last ok ", age(ms(one.last_ok)), " ago"] : null;
  if (one.failing_since) return [sign("bad"), "failing for ", age(ms(one.failing_since)), ok, one.last_error ? el("small.facts", null, named(one.last_error)) : null];
  if (one.last_ok) return [sign("good"), "ok ", age(ms(one.last_ok)), " ago"];
  return [sign("unsure"), "not told yet"];
}

function waiting(one) {
  return [one.pending ? [plural(one.pending, "event"), one.oldest_pending ? [", the oldest of ", age(ms(one.oldest_pending)), " ago"] : null] : "nothing",
    one.dropped ? el("small.facts", null, `${plural(one.dropped, "event")} dropped`) : null,
    one.keep_error ? el("small.facts", null, "it would not outlive a restart: ", named(one.keep_error)) : null];
}
