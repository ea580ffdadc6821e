// What every page has around its content: how the connection is, the banner of a lost
// server, the token, help.
import { $, el, fill, put } from "./dom.js";
import { connection, onConnection, again } from "./live.js";
import { ask, forget, holder, onToken, token } from "./token.js";
import { age, clockTime } from "./time.js";
import { listenToKeys, showHelp } from "./keys.js";

const lab = document.documentElement.dataset.lab;

/** Sets the shell up. */
export function shell() {
  const tools = $("#tools");
  const pill = el("span#live.pill.starting", null, "connecting");
  const person = el("button#person", { type: "button", on: { click: changeToken } });
  tools.append(pill, person,
    el("button#help", { type: "button", "aria-label": "Help: keys and signs", title: "Keys and signs (?)", on: { click: showHelp } }, "?"));
  const showPerson = () => {
    put(person, token() ? holder() : "Token…");
    person.title = token() ? "Forget this token" : "Enter a token: with one things can be changed";
  };
  onToken(showPerson);
  showPerson();
  onConnection(showConnection);
  listenToKeys();
}

async function changeToken() {
  if (token()) forget();
  else await ask("With a token that carries status:admin, what is wrong can be acknowledged, silenced or held, and maintenance be planned.", { themselves: true });
}

function showConnection({ state, heard, why }) {
  const pill = $("#live");
  pill.className = `pill ${state}`;
  put(pill, { live: "live", lost: "not connected", starting: "connecting" }[state]);
  const banner = $("#lost");
  if (state !== "lost") {
    banner.hidden = true;
    return;
  }
  banner.hidden = false;
  fill(banner,
    el("strong", null, `No word from the server since ${clockTime(heard)}`),
    el("span", { "aria-hidden": "true" }, " (", age(heard), ")"),
    `: ${why}. What you see is as of then; this page goes on by itself when the server is back. `);
  banner.append(el("button", { type: "button", on: { click: again } }, "Try now"));
}

/** The window's title and sign: they are what is seen of a tab in the background. */
export function title(words, tone = "good") {
  const text = words ? `${words} · ${lab}` : lab;
  if (document.title !== text) document.title = text;
  const icon = $("#icon");
  const href = icon.getAttribute("href").replace(/[^/]+$/, `${tone}.svg`);
  if (icon.getAttribute("href") !== href) icon.setAttribute("href", href);
}

/** Shows in a place why what belongs there could not be read. */
export function failed(place, fault, what) {
  place.removeAttribute("aria-busy");
  fill(place, el("p.notice.unsure", { role: "alert" }, el("strong", null, `${what} can't be shown. `), fault.message));
}
