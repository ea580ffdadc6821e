// The token with which a person reads a closed server and changes anything. It is
// entered once and kept for this tab; two laboratories on one host don't share it.
import { el, put } from "./dom.js";
import { stamp } from "./time.js";

const slot = `labstatus token ${new URL("./", location.href).pathname}`;
const watchers = new Set();

/** Has something done whenever the token is entered or forgotten. */
export const onToken = (task) => watchers.add(task);

/** The token; null where there is none, or it has ended. */
export function token() {
  let kept = null;
  try {
    kept = sessionStorage.getItem(slot);
  } catch {
    return null; // a browser that keeps nothing
  }
  const { ends } = kept ? said(kept) : {};
  if (ends && ends < Date.now()) {
    keep(null);
    return null;
  }
  return kept;
}

export function forget() {
  keep(null);
}

function keep(text) {
  try {
    if (text) sessionStorage.setItem(slot, text);
    else sessionStorage.removeItem(slot);
  } catch {
    // It is then asked for each time.
  }
  for (const task of watchers) task();
}

/** What a token says of itself. The server judges it; this is for the eye. */
function said(text) {
  try {
    const part = text.split(".")[1].replace(/-/g, "+").replace(/_/g, "/");
    const bytes = Uint8Array.from(atob(part), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return {
      who: typeof claims.sub === "string" ? claims.sub : "",
      ends: typeof claims.exp === "number" ? claims.exp * 1000 : 0,
      admin: Array.isArray(claims.scopes) && claims.scopes.includes("status:admin"),
    };
  } catch {
    return {};
  }
}

/** Who the token is for, in words; empty where there is none. */
export function holder() {
  const kept = token();
  if (!kept) return "";
  const { who, ends, admin } = said(kept);
  return `${who || "token"}${admin === false ? ", may read" : ""}${ends ? `, until ${stamp(ends, false)}` : ""}`;
}

let asking = null; // the answer that several callers wait for
let declined = false; // by the person, who isn't to be asked again and again

/**
 * Asks for a token, saying why. Gives it, or null where the person won't: who has
 * declined once is asked only for what they do themselves.
 */
export function ask(why, { themselves = false } = {}) {
  if (declined && !themselves) return Promise.resolve(null);
  asking ??= prompt(why).then((given) => {
    declined = given === null;
    return given;
  }).finally(() => { asking = null; });
  return asking;
}

function prompt(why) {
  const input = el("input#token", { type: "password", autocomplete: "off", spellcheck: "false", required: true, maxlength: 8192, "aria-describedby": "token-why" });
  const wrong = el("p.wrong", { role: "alert", hidden: true });
  const dialog = el("dialog.ask", { "aria-labelledby": "token-title" },
    el("form", { method: "dialog" },
      el("h2#token-title", null, "A token, please"),
      el("p#token-why", null, why),
      el("p", null, el("label", { for: "token" }, "Token"), input),
      el("p.quiet", null, "Made on the server with ", el("code", null, "status token --scope status:admin --subject you"),
        ". It stays in this tab and is forgotten with it."),
      wrong,
      el("div.buttons", null,
        el("button.main", { value: "ok" }, "Use it"),
        el("button", { type: "button", value: "cancel", on: { click: () => dialog.close("") } }, "Cancel"))));
  document.body.append(dialog);
  return new Promise((resolve) => {
    dialog.addEventListener("submit", (event) => {
      const text = input.value.trim().replace(/^bearer\s+/i, "");
      const { ends } = said(text);
      const fault = !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(text) ? "That is no token: one has three parts with dots between them."
        : ends && ends < Date.now() ? "That token has ended; make a new one." : "";
      if (!fault) return;
      event.preventDefault();
      put(wrong, fault);
      wrong.hidden = false;
      input.focus();
    });
    dialog.addEventListener("close", () => {
      const text = dialog.returnValue === "ok" ? input.value.trim().replace(/^bearer\s+/i, "") : "";
      dialog.remove();
      if (text) keep(text);
      resolve(text || null);
    });
    dialog.showModal();
    input.focus();
  });
}
