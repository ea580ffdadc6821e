// The form of a window of maintenance: for which experiments, when, why, and what
// becomes of bookings meanwhile.
import { $, el, put } from "./dom.js";
import { get, send } from "./api.js";
import { say } from "./say.js";
import { fromLocal, localValue, ms, now, zone } from "./time.js";
import { bookingsWords, fits, plural } from "./words.js";

const week = [["mon", "Mon"], ["tue", "Tue"], ["wed", "Wed"], ["thu", "Thu"], ["fri", "Fri"], ["sat", "Sat"], ["sun", "Sun"]];
const hour = 3600e3;

/** Hears the buttons of the list of windows. */
export function listenToWindows(does) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-window]");
    if (button) does[button.dataset.window](button.dataset.id);
  });
}

/** Names or patterns, as a person writes them: apart by commas, blanks or lines. */
const namesOf = (text) => text.split(/[\s,;]+/).filter(Boolean);

/** Opens the form: for a new window, one with some fields given, or one that has an id and is changed. */
export function edit(given, saved) {
  const changed = Boolean(given?.id);
  const weekly = given?.weekly;
  const from = given?.from ? ms(given.from) : now();
  const until = given?.until ? ms(given.until) : weekly ? NaN : from + 4 * hour;
  const field = (id, label, input, hint) => el("p", null, el("label", { for: id }, label), input, hint ? el("span.quiet", { id: `${id}-hint` }, hint) : null);
  const moment = (id, at, required) => el("input", { id, type: "datetime-local", value: Number.isNaN(at) ? "" : localValue(at), required });
  const dialog = el("dialog.ask.wide", { "aria-labelledby": "window-title" },
    el("form", { method: "dialog" },
      el("h2#window-title", null, changed ? "Change maintenance" : "Plan maintenance"),
      field("names", "Experiments", el("input#names", {
        type: "text", required: true, value: given?.names?.join(", ") ?? "", autocomplete: "off", spellcheck: "false", "aria-describedby": "names-hint matches",
      }),
        "Names, or patterns with * and ?, apart by commas: pend*, spin0?"),
      el("p#matches.quiet", { role: "status" }),
      field("reason", "Reason", el("input#reason", { type: "text", required: true, maxlength: 500, value: given?.reason ?? "", autocomplete: "off" })),
      el("p", null, el("label", { for: "bookings" }, "Bookings"),
        el("select#bookings", null, Object.entries(bookingsWords).map(([value, words]) => el("option", { value, selected: value === (given?.bookings ?? "decide") }, words)))),
      el("fieldset", null, el("legend", null, "When"),
        el("label.box", null, el("input#once", { type: "radio", name: "kind", value: "once", checked: !weekly }), "once"),
        el("label.box", null, el("input#everyweek", { type: "radio", name: "kind", value: "weekly", checked: Boolean(weekly) }), "every week")),
      el("fieldset#hours", { hidden: !weekly }, el("legend", null, "Every"),
        el("div", null, week.map(([value, word]) => el("label.box", null, el("input", { type: "checkbox", name: "day", value, checked: weekly?.days.includes(value) ?? false }), word))),
        field("start", "From", el("input#start", { type: "time", value: weekly?.start ?? "08:00" })),
        field("end", "To", el("input#end", { type: "time", value: weekly?.end ?? "10:00", "aria-describedby": "end-hint" }), "Where it is not after the beginning, on the next day."),
        field("zone", "On the clock of", el("input#zone", { type: "text", value: weekly?.zone ?? zone, maxlength: 64, autocomplete: "off", spellcheck: "false" }))),
      field("from", "Begins", moment("from", from, true), `On your clock, ${zone}.`),
      field("until", "Ends", moment("until", until, !weekly)),
      el("p.wrong", { role: "alert", hidden: true }),
      el("div.buttons", null, el("button.main", null, changed ? "Change it" : "Plan it"), el("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel"))));
  document.body.append(dialog);
  const form = $("form", dialog);
  const within = (selector) => $(selector, dialog);
  const isWeekly = () => within("#everyweek").checked;
  form.addEventListener("change", () => {
    within("#hours").hidden = !isWeekly();
    within("#until").required = !isWeekly();
    put(within("label[for=from]"), isWeekly() ? "Not before" : "Begins");
    put(within("label[for=until]"), isWeekly() ? "Not after (may be left empty)" : "Ends");
    if (isWeekly() && !changed) within("#until").value = "";
  });
  form.dispatchEvent(new Event("change"));
  showMatches(dialog);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [button, wrong] = [within("button.main"), within(".wrong")];
    button.disabled = true;
    wrong.hidden = true;
    try {
      const order = orderOf(within, isWeekly());
      if (changed) await send("PUT", `maintenance/${encodeURIComponent(given.id)}`, order);
      else await send("POST", "maintenance", order);
      dialog.close();
      saved(changed ? "It is changed." : "It is planned.");
      say(changed ? "The maintenance is changed." : "The maintenance is planned.");
    } catch (fault) {
      put(wrong, fault.message);
      wrong.hidden = false;
    } finally {
      button.disabled = false;
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  within(given?.names && !changed ? "#reason" : "#names").focus();
}

function orderOf(within, weekly) {
  const order = {
    names: namesOf(within("#names").value), reason: within("#reason").value.trim(), bookings: within("#bookings").value,
    from: fromLocal(within("#from").value), until: fromLocal(within("#until").value),
  };
  if (weekly) {
    order.weekly = {
      days: [...within("#hours").querySelectorAll("[name=day]:checked")].map((box) => box.value),
      start: within("#start").value, end: within("#end").value, zone: within("#zone").value.trim(),
    };
    if (!order.weekly.days.length) throw new Error("On which days? Choose at least one.");
  } else if (ms(order.until) <= ms(order.from)) {
    throw new Error("It ends before it begins.");
  }
  return order;
}

let known = null; // names of all experiments, once they are needed

/** Says how many experiments the names fit, as they are written. */
async function showMatches(dialog) {
  known ??= get("overview.json", { outside: true }).then(({ experiments }) => experiments.map((one) => one.topic_name));
  const input = $("#names", dialog);
  const place = $("#matches", dialog);
  const show = async () => {
    const patterns = namesOf(input.value);
    const names = await known.catch(() => { known = null; return null; });
    if (!names || !patterns.length) {
      put(place, "");
      return;
    }
    const found = names.filter((name) => fits(name, patterns));
    const some = found.slice(0, 5).join(", ");
    put(place, found.length ? `Fits ${plural(found.length, "experiment")}: ${some}${found.length > 5 ? ", …" : ""}` : "Fits no experiment that is known now.");
  };
  input.addEventListener("input", show);
  show();
}
