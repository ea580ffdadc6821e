// A line of the list of what people did.
import { el, experimentLink, named } from "./dom.js";
import { ms, when } from "./time.js";
import { actWords } from "./words.js";

/** The row of an act, for table(). */
export function auditRow(act, i) {
  return {
    key: `${act.at} ${act.kind} ${act.experiment ?? act.window?.id ?? i}`,
    cells: [
      [when(ms(act.at))],
      [act.by ? named(act.by) : el("span.quiet", null, "by itself")],
      [actWords[act.kind] ?? act.kind, act.until ? [" until ", when(ms(act.until), false)] : null],
      [act.experiment ? el("a", { href: experimentLink(act.experiment), "data-walk": true }, named(act.experiment))
        : act.window ? named(act.window.names.join(", ")) : el("span.quiet", null, "nothing")],
      [act.text || act.window?.reason ? named(act.text || act.window.reason) : el("span.quiet", null, "none")],
    ],
  };
}
