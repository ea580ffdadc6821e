// What is said of tunnels: those of an experiment, and all that is reported.
import { el, named, sign, table } from "./dom.js";
import { bytes } from "./figures.js";
import { age, ms } from "./time.js";
import { plural, tunnelWords } from "./words.js";

const tones = { ready: "good", running: "starting", failed: "bad", closed: "unsure" };

/** What something said of itself: in words, since when, and its own message. */
export const said = (one, signed = false) => [signed ? sign(tones[one.state] ?? "unknown") : null, tunnelWords(one.state),
  one.since ? el("small", null, " for ", age(ms(one.since))) : null,
  one.message ? el("small.facts", null, named(one.message)) : null];

/** What it has carried. */
export function traffic(s) {
  if (!s?.counted) return [el("span.quiet", null, "no figures yet")];
  const open = s.current_conns ? `, ${s.current_conns.toLocaleString("en")} open` : "";
  const errors = s.total_errs ? `, ${plural(s.total_errs, "error")}` : "";
  const odd = [s.restarts ? `began anew ${plural(s.restarts, "time")}` : "", s.repeats ? `${plural(s.repeats, "repeat")} not counted` : ""].filter(Boolean);
  return [`${plural(s.total_conns, "connection")}${open}, ${bytes(s.input_bytes)} in, ${bytes(s.output_bytes)} out${errors}`,
    odd.length ? el("small.facts", null, odd.join(", ")) : null,
    s.incremental ? el("small.facts", null, "Its bytes look like increments, so these totals are probably wrong: switch observer.resetTraffic off, or say increments with its token.") : null];
}

/** The tunnels of an experiment; observed are the subjects that are its own, null where they aren't read yet. */
export function tunnels(report, observed) {
  const figures = new Map((observed ?? []).map((s) => [key(s), s]));
  return table("Tunnels", ["Tunnel", "Now", "It said", "Carried", "Last heard of"], report.tunnels.map((t) => ({
    key: t.name, of: t.verdict,
    cells: [
      [named(t.name), " ", el("small", null, t.required ? "required" : "access")],
      [el("span.whole", null, sign(t.verdict), t.verdict)],
      said(t),
      observed ? traffic(figures.get(key(t))) : [el("span.quiet", null, "not read")],
      [t.last_at ? [age(ms(t.last_at)), " ago"] : "never"],
    ],
  })));
}

const key = ({ source, service, client }) => JSON.stringify([source, service, client]);
