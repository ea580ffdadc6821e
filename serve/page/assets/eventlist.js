// Rows of events: when, what it became, how long that lasted, what was wrong.
import { el, experimentLink, named, sign } from "./dom.js";
import { age, ms, span, when } from "./time.js";

/** The headings of a table of events, of one experiment or of all. */
export const headings = (all) => ["When", ...(all ? ["Experiment"] : []), "It became", "For", "What was wrong"];

/** Rows for table(); known are all events that are known, newest first, to tell how long each lasted. */
export function eventRows(events, known, all) {
  const next = new Map(); // by experiment, when its later event was
  const lasted = new Map();
  for (const event of known) {
    lasted.set(event, next.get(event.experiment));
    next.set(event.experiment, ms(event.when));
  }
  return events.map((event) => {
    const at = ms(event.when);
    const until = lasted.get(event);
    return {
      key: `${event.when} ${event.experiment}`, of: event.healthy ? "healthy" : "unhealthy",
      cells: [
        [when(at)],
        ...(all ? [[el("a", { href: experimentLink(event.experiment), "data-walk": true }, named(event.experiment))]] : []),
        [sign(event.healthy ? "healthy" : "unhealthy"), event.healthy ? "healthy" : "unhealthy"],
        until === undefined ? [age(at), el("span.quiet", null, " so far")] : [span(until - at)],
        event.issues.length ? event.issues.map((issue, i) => [i ? ", " : null, named(issue)]) : [el("span.quiet", null, "nothing")],
      ],
    };
  });
}
