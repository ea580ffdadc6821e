// The mails that were sent, as they were sent, and what became of each.
import { $, el, fill, named, put, sign, table } from "./dom.js";
import { get, query, send } from "./api.js";
import { failed, shell, title } from "./shell.js";
import { followOne } from "./sync.js";
import { onToken } from "./token.js";
import { lab, watch } from "./store.js";
import { tiles } from "./strip.js";
import { age, each, ms, now, when } from "./time.js";
import { plural } from "./words.js";

const every = 15e3; // what becomes of mails isn't told live
let mails = [];
let next = "";
let readAt = 0;
let chosen = new URLSearchParams(location.search).get("id") ?? "";
let shown = null; // the mail that is shown whole

function build() {
  $("#main").replaceChildren(
    el("h1", null, "Mails"),
    el("div#state"),
    el("p#doing", null, el("button#test", { type: "button" }, "Send a test mail"), " ", el("span#result", { role: "status" })),
    el("div.sides", null,
      el("section#list", { "aria-label": "Mails that are kept", "aria-busy": "true" }),
      el("section#mail", { "aria-label": "The mail", tabindex: -1, hidden: true })));
  $("#test").addEventListener("click", test);
  $("#list").addEventListener("click", (event) => {
    if (event.target.closest("#older")) {
      read(true);
      return;
    }
    const link = event.target.closest("a[data-id]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    choose(link.dataset.id).then(() => $("#mail").focus());
  });
}

async function test() {
  const button = $("#test");
  button.disabled = true;
  put($("#result"), "");
  try {
    const { id, recipients } = await send("POST", "mail/test");
    put($("#result"), `Queued for ${plural(recipients, "recipient")}.`);
    history.pushState(null, "", `mails${query({ id })}`);
    await read(false);
    await choose(id);
  } catch (fault) {
    put($("#result"), fault.message);
  } finally {
    button.disabled = false;
  }
}

async function read(older) {
  readAt = now();
  try {
    const page = await get(`mails${query({ limit: older || mails.length <= 50 ? 50 : Math.min(mails.length, 1000), cursor: older ? next : "" })}`);
    mails = older ? [...mails, ...page.mails] : page.mails;
    next = page.next ?? "";
    showList();
  } catch (fault) {
    if (!mails.length) failed($("#list"), fault, "The mails");
  }
}

/** What became of a mail, in words, and how good that is. */
function fate({ queued, sent, failed: lost }) {
  const all = queued + sent + lost;
  const parts = [];
  if (lost) parts.push(`given up for ${lost}`);
  if (queued) parts.push(`queued for ${queued}`);
  if (sent) parts.push(sent === all ? `sent to ${all === 1 ? "its recipient" : `all ${all}`}` : `sent to ${sent}`);
  return [parts.join(", ") || "nobody to send it to", lost ? "bad" : queued ? "unsure" : "good"];
}

function showList() {
  const rows = mails.map((mail) => {
    const [words, tone] = fate(mail);
    return {
      key: mail.id, of: mail.id === chosen ? "chosen" : "",
      cells: [
        [when(ms(mail.at))],
        [el("a", { href: `mails${query({ id: mail.id })}`, "data-id": mail.id, "data-walk": true, "aria-current": mail.id === chosen ? "true" : null }, named(mail.subject))],
        [sign(tone), words],
      ],
    };
  });
  fill($("#list"), rows.length ? table("Mails, newest first", ["When", "Subject", "What became of it"], rows) : el("p.quiet", null, "None kept."),
    next ? el("button#older", { type: "button" }, "Older ones") : null);
  $("#list").removeAttribute("aria-busy");
}

async function choose(id) {
  chosen = id;
  showList();
  const place = $("#mail");
  place.hidden = !id;
  if (!id) return;
  try {
    const mail = await get(`mails/${encodeURIComponent(id)}`);
    if (id !== chosen) return;
    showMail(mail);
  } catch (fault) {
    if (id !== chosen) return;
    shown = null;
    failed(place, fault, "The mail");
  }
}

const fates = { sent: ["sent", "good"], failed: ["given up", "bad"], queued: ["queued", "unsure"] };

function showMail(mail) {
  const place = $("#mail");
  const recipients = table("Recipients", ["Recipient", "Fate", "Attempts", "The mail server's words"], mail.recipients.map((r) => ({
    key: r.address,
    cells: [[named(r.address)], [sign(fates[r.fate][1]), fates[r.fate][0], r.done ? [" ", when(ms(r.done))] : null],
      [r.attempts], [r.last_error ? named(r.last_error) : el("span.quiet", null, "none")]],
  })));
  if (shown?.id === mail.id) { // the frame is left alone
    fill($("#recipients"), recipients);
    shown = mail;
    return;
  }
  shown = mail;
  place.replaceChildren(
    el("h2", null, named(mail.subject)),
    el("p.quiet", null, "Of ", when(ms(mail.at)), ", ", age(ms(mail.at)), " ago"),
    el("div#recipients", null, recipients),
    ...(mail.html ? [el("iframe.letter", { src: mail.html, sandbox: "", title: "The mail as it was sent", referrerpolicy: "no-referrer" })] : []),
    el("details", { open: !mail.html }, el("summary", null, "Its text"), el("pre", { tabindex: 0, role: "region", "aria-label": "Text of the mail" }, mail.text)),
    el("details", null, el("summary", null, "Its headers"), el("pre", { tabindex: 0, role: "region", "aria-label": "Headers of the mail" },
      mail.headers.map(([name, value]) => `${name}: ${value}`).join("\n"))));
}

watch((change) => {
  if (!change.system) return;
  const tile = tiles(lab.system).find(({ name }) => name === "mail");
  const failure = lab.system.mail.last_failure;
  fill($("#state"),
    el("p.notice", { class: tile.tone === "good" ? "plain" : tile.tone, "data-key": "mail" }, sign(tile.tone), el("strong", null, tile.word), " ", tile.note),
    failure ? el("p.quiet", { "data-key": "failure" }, "Given up last: ", named(failure.subject || "a mail"), " to ", named(failure.address),
      ", ", age(ms(failure.at)), " ago: ", named(failure.error)) : null);
  $("#doing").hidden = !lab.system.can_change;
});
each(() => {
  if (document.hidden || now() - readAt < every) return;
  read(false);
  if (shown && shown.queued) choose(chosen);
});
addEventListener("popstate", () => choose(new URLSearchParams(location.search).get("id") ?? ""));
onToken(() => {
  read(false);
  if (chosen) choose(chosen);
});
title("Mails");
shell();
build();
read(false).then(() => { if (chosen) choose(chosen); });
followOne(null, () => read(false));
