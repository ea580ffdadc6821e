// What a maintainer can do about an experiment: acknowledge, silence, hold, and end
// each of these. A dialog asks for what is needed; a refusal is shown in it.
import { $, el, put, named } from "./dom.js";
import { experimentPath, get, send } from "./api.js";
import { say } from "./say.js";
import { take } from "./store.js";
import { fromLocal, localValue, now } from "./time.js";

const hour = 3600e3;

/** Ends of a silence to choose from, as [words, moment]. */
function ends(from = now()) {
  const morning = new Date(from);
  morning.setHours(9, 0, 0, 0);
  if (morning.getTime() <= from + hour) morning.setDate(morning.getDate() + 1);
  const monday = new Date(morning);
  while (monday.getDay() !== 1 || monday.getTime() <= from + hour) monday.setDate(monday.getDate() + 1);
  return [["1 hour", from + hour], ["4 hours", from + 4 * hour], ["until 9 in the morning", morning.getTime()],
    ["until Monday at 9", monday.getTime()], ["1 week", from + 168 * hour]];
}

const textField = (id, label, required, hint) => [
  el("label", { for: id }, label),
  el("input", { id, name: "text", type: "text", maxlength: 500, required, autocomplete: "off", "aria-describedby": `${id}-hint` }),
  el("p.quiet", { id: `${id}-hint` }, hint),
];

const boxes = (resources, words) => resources.length < 2 ? null
  : el("fieldset", null, el("legend", null, words), resources.map((one) =>
    el("label.box", null, el("input", { type: "checkbox", name: "resource", value: one.name, checked: true }), named(one.name))));

const chosen = (form) => [...form.querySelectorAll("[name=resource]:checked")].map((one) => one.value);

// Each act: what its dialog is called, what it asks for, and what it sends.
const acts = {
  ack: {
    title: "Acknowledge", button: "Acknowledge",
    lead: "Somebody cares for it: there are no reminders until what is wrong changes. It is written down and told in the next mail.",
    fields: () => textField("act-text", "Note", false, "What you know or do about it. May be left empty."),
    run: (name, form) => send("PUT", experimentPath(name, "/ack"), { note: form.elements.text.value.trim() }),
    done: "acknowledged",
  },
  silence: {
    title: "Silence", button: "Silence",
    lead: "Nothing is mailed about it until then; its events are kept. What differs when the silence ends is told then.",
    fields: () => [
      el("label", { for: "act-end" }, "How long"),
      el("select#act-end", { name: "end" }, ends().map(([words, at]) => el("option", { value: at }, words)), el("option", { value: "" }, "until a moment of its own")),
      el("p#act-own", { hidden: true }, el("label", { for: "act-until" }, "Until"),
        el("input#act-until", { name: "until", type: "datetime-local", min: localValue(now()), value: localValue(now() + 24 * hour) })),
      ...textField("act-text", "Reason", true, "Shown to everybody who looks at it."),
    ],
    run: (name, form) => {
      const until = form.elements.end.value ? new Date(Number(form.elements.end.value)).toISOString() : fromLocal(form.elements.until.value);
      if (!until) throw new Error("Until when? Choose a date and a time.");
      return send("PUT", experimentPath(name, "/silence"), { until, reason: form.elements.text.value.trim() });
    },
    done: "silenced",
  },
  hold: {
    title: "Hold off booking", button: "Hold",
    lead: "It can't be booked until somebody puts it back, however well its streams are.",
    fields: (report) => [
      ...textField("act-text", "Reason", true, "Students may see it in the booking system."),
      boxes(report.resources.filter((one) => !one.held), "Resources"),
    ],
    run: (name, form) => {
      const resources = chosen(form);
      return send("PUT", experimentPath(name, "/hold"), { reason: form.elements.text.value.trim(), ...(resources.length ? { resources } : {}) });
    },
    done: "held off booking",
  },
  release: {
    title: "Put back on booking", button: "Release",
    lead: "It can be booked again once its required streams are well.",
    fields: (report) => [boxes(report.resources.filter((one) => one.held), "Resources")],
    run: (name, form) => send("DELETE", experimentPath(name, "/hold") + resourceQuery(chosen(form))),
    done: "put back on booking",
  },
  unsilence: {
    title: "End the silence", button: "End it",
    lead: "Mails about it are sent again; what is wrong now is told.", fields: () => [],
    run: (name) => send("DELETE", experimentPath(name, "/silence")),
    done: "no longer silenced",
  },
  unack: {
    title: "Withdraw the acknowledgement", button: "Withdraw",
    lead: "There are reminders again while something is wrong with it.", fields: () => [],
    run: (name) => send("DELETE", experimentPath(name, "/ack")),
    done: "no longer acknowledged",
  },
};

function resourceQuery(names) {
  const text = new URLSearchParams(names.map((name) => ["resource", name])).toString();
  return text ? `?${text}` : "";
}

/** Hears the buttons of cards and pages. taken is called with the report after an act. */
export function hearActs(taken = (report) => take([report])) {
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-act]");
    if (button) open(button.dataset.act, button.dataset.of, taken);
  });
}

async function open(kind, name, taken) {
  const act = acts[kind];
  const form = el("form", { method: "dialog" });
  const dialog = el("dialog.ask", { "aria-labelledby": "act-title" }, form);
  const wrong = el("p.wrong", { role: "alert", hidden: true });
  const submit = el("button.main", null, act.button);
  form.append(el("h2#act-title", null, `${act.title}: `, named(name)), el("p", null, act.lead));
  const fields = el("div.fields");
  form.append(fields, wrong, el("div.buttons", null, submit,
    el("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel")));
  const refuse = (words) => {
    put(wrong, words);
    wrong.hidden = false;
  };
  dialog.addEventListener("close", () => {
    dialog.remove();
    // The button may have been made anew meanwhile.
    [...document.querySelectorAll(`button[data-act="${kind}"]`)].find((one) => one.dataset.of === name)?.focus();
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (submit.disabled) return;
    submit.disabled = true;
    wrong.hidden = true;
    try {
      taken(await act.run(name, form));
      dialog.close();
      say(`${name} is ${act.done}.`);
    } catch (fault) {
      refuse(fault.message);
    } finally {
      submit.disabled = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
  submit.disabled = true;
  try {
    const needed = kind === "hold" || kind === "release";
    const report = needed ? await get(experimentPath(name)) : { resources: [] };
    for (const field of act.fields(report).flat()) if (field) fields.append(field);
    const select = $("#act-end", dialog);
    select?.addEventListener("change", () => { $("#act-own", dialog).hidden = select.value !== ""; });
    submit.disabled = false;
    (fields.querySelector("input, select") ?? submit).focus();
  } catch (fault) {
    refuse(fault.message);
  }
}
