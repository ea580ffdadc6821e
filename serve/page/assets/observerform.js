// The form of an observer: where it is, how it is told, how its certificate is checked.
import { $, el, put } from "./dom.js";
import { send } from "./api.js";

const set = "***"; // stands for a token that is set

/** Opens the form: for a new one, or one whose whole settings are given. */
export function editObserver(given, saved) {
  const changed = Boolean(given);
  const has = given?.token === set;
  const tls = given?.tls;
  const field = (id, label, input, hint) => {
    input.id = id;
    if (hint) input.setAttribute("aria-describedby", `${id}-hint`);
    return el("p", null, el("label", { for: id }, label), input, hint ? el("span.quiet", { id: `${id}-hint` }, hint) : null);
  };
  const text = (value, attributes) => el("input", { type: "text", value: value ?? "", autocomplete: "off", spellcheck: "false", ...attributes });
  const box = (id, words, checked) => el("p", null, el("label.box", null, el("input", { id, type: "checkbox", checked }), words));
  const type = (value, words) => el("option", { value, selected: value === (given?.type ?? "") }, words);
  const dialog = el("dialog.ask.wide", { "aria-labelledby": "observer-title" },
    el("form", { method: "dialog" },
      el("h2#observer-title", null, changed ? `Change ${given.name}` : "Tell another observer"),
      changed ? null : field("ob-name", "Name", text("", { required: true, maxlength: 63 }), "Letters, digits, dots, dashes and underscores."),
      field("ob-address", "Address", text(given?.address, { required: true, maxlength: 2000 }), "HTTP: a URL, used as it is. gRPC: host:port."),
      field("ob-type", "Protocol", el("select", null, type("", "as the address shows"), type("http", "HTTP"), type("grpc", "gRPC"))),
      field("ob-token", "Token", el("input", { type: "password", maxlength: 4096, autocomplete: "off", spellcheck: "false" }),
        has ? "One is set. Left empty, it stays as it is." : "May be left empty."),
      has ? box("ob-notoken", "without a token from now on", false) : null,
      field("ob-period", "Told every", text(given?.period, { maxlength: 32, placeholder: "5s" }), "1s to 1h, such as 5s or 1m30s."),
      field("ob-timeout", "Patience with one report", text(given?.timeout, { maxlength: 32, placeholder: "5s" }), "100ms to 1m."),
      box("ob-reset_traffic", "tell bytes since the last report, not since our start", given?.reset_traffic ?? false),
      box("ob-tls", "TLS settings: for gRPC they encrypt", Boolean(tls)),
      el("fieldset#ob-tls-fields", { hidden: !tls }, el("legend", null, "TLS"),
        field("ob-tls-server_name", "The certificate is for", text(tls?.server_name, { maxlength: 253 }), "Left empty: for the address's host."),
        field("ob-tls-ca", "Authorities that may sign it", el("textarea", { rows: 4, maxlength: 48000, spellcheck: "false" }, tls?.ca ?? ""), "PEM. Left empty: the system's."),
        box("ob-tls-insecure", "believe any certificate", tls?.insecure ?? false)),
      el("p.wrong", { role: "alert", hidden: true }),
      el("div.buttons", null, el("button.main", null, changed ? "Change it" : "Tell it"), el("button", { type: "button", on: { click: () => dialog.close() } }, "Cancel"))));
  document.body.append(dialog);
  const within = (selector) => $(selector, dialog);
  within("#ob-tls").addEventListener("change", () => { within("#ob-tls-fields").hidden = !within("#ob-tls").checked; });
  within("form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const [button, wrong] = [within("button.main"), within(".wrong")];
    button.disabled = true;
    wrong.hidden = true;
    for (const marked of dialog.querySelectorAll("[aria-invalid]")) marked.removeAttribute("aria-invalid");
    try {
      const spec = specOf(within, has);
      if (changed) await send("PUT", `observers/${encodeURIComponent(given.name)}`, spec);
      else await send("POST", "observers", spec);
      dialog.close();
      saved(`${given?.name ?? spec.name} is ${changed ? "changed" : "told from now on"}.`);
    } catch (fault) {
      put(wrong, fault.message.replaceAll(" in body", ""));
      wrong.hidden = false;
      mark(within, fault.message);
    } finally {
      button.disabled = false;
      if (dialog.open && !dialog.contains(document.activeElement)) button.focus(); // what is switched off loses the focus
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  within(changed ? "#ob-address" : "#ob-name").focus();
}

/** What the form says, as the API wants it; what is left empty has its default. */
function specOf(within, has) {
  const value = (id) => within(`#ob-${id}`)?.value.trim() || undefined;
  const checked = (id) => within(`#ob-${id}`)?.checked || undefined;
  const token = value("token") ?? (has && !checked("notoken") ? set : undefined);
  return {
    name: value("name"), type: value("type"), address: value("address"), token, period: value("period"), timeout: value("timeout"),
    reset_traffic: checked("reset_traffic"),
    tls: checked("tls") ? { server_name: value("tls-server_name"), insecure: checked("tls-insecure"), ca: value("tls-ca") } : undefined,
  };
}

/** Marks the field that a refusal begins with. */
function mark(within, message) {
  const [, name] = /^([\w.]+) in body/.exec(message) ?? [];
  const field = name && within(`#ob-${name.toLowerCase().replace(".", "-")}`);
  if (!field) return;
  field.setAttribute("aria-invalid", "true");
  field.focus();
}
