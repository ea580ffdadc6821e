// The card of an experiment that needs somebody: what is wrong, since when, whether it
// can be booked, who knows, and what can be done.
import { el, experimentLink, named, sign } from "./dom.js";
import { age, left, ms, stamp } from "./time.js";
import { bookingLine, bookingsWords, explain } from "./words.js";

const apart = 60e3; // an issue that began with its experiment's state need not say when

/** What is wrong with it, one line each. */
export function issueList(r) {
  if (!r.issues.length) return null;
  const since = typeof r.since === "number" ? r.since : ms(r.since);
  return el("ul.issues", null, r.issues.map((text) => {
    const { what, since: began, last } = explain(r, text);
    const own = began && Math.abs(ms(began) - since) > apart;
    return el("li", { "data-key": text }, named(text),
      what ? el("span.quiet", null, " ", what) : null,
      last ? el("span.quiet", null, ", last sent ", age(ms(last)), " ago") : null,
      last === null ? el("span.quiet", null, ", never seen to send") : null,
      own ? el("span.quiet", null, " (for ", age(ms(began)), ")") : null);
  }));
}

/** What people have done about it, and maintenance. */
export function marks(r) {
  const lines = [];
  if (r.maintenance) {
    lines.push(el("li.maintenance", { "data-key": "maintenance" }, el("b", null, "Maintenance"), " until ", moment(r.maintenance.until),
      ": ", named(r.maintenance.reason), el("span.quiet", null, " by ", named(r.maintenance.by), `, ${bookingsWords[r.maintenance.bookings]}`)));
  }
  if (r.silence) {
    lines.push(el("li.silence", { "data-key": "silence" }, el("b", null, "Silenced"), " until ", moment(r.silence.until),
      ": ", named(r.silence.reason), el("span.quiet", null, " by ", named(r.silence.by))));
  }
  if (r.ack) {
    lines.push(el("li.ack", { "data-key": "ack" }, el("b", null, "Acknowledged"), " by ", named(r.ack.by), " ", age(ms(r.ack.at)), " ago",
      r.ack.note ? [": ", named(r.ack.note)] : null));
  }
  for (const resource of r.resources ?? []) {
    if (!resource.held) continue;
    lines.push(el("li.hold", { "data-key": `hold ${resource.name}` }, el("b", null, "Held"), " off booking: ", named(resource.name),
      resource.held_reason ? [", ", named(resource.held_reason)] : null,
      resource.held_by ? el("span.quiet", null, " by ", named(resource.held_by)) : null));
  }
  return lines.length ? el("ul.marks", null, lines) : null;
}

const moment = (text) => {
  const at = ms(text);
  return el("span", null, stamp(at, false), el("span.quiet", null, " (in ", left(at), ")"));
};

/** The buttons for what can be done about it, for acts.js to hear. */
export function actButtons(r) {
  const wrong = r.state === "unhealthy" || r.state === "flapping" || r.issues.length > 0;
  const button = (act, words) => el("button", { type: "button", "data-act": act, "data-of": r.name ?? r.topic_name, "data-key": act }, words);
  const resources = r.resources ?? [];
  const some = resources.length > 0 || r.resource_name;
  return el("div.buttons", null,
    r.ack ? button("unack", "Withdraw acknowledgement") : wrong ? button("ack", "Acknowledge…") : null,
    r.silence ? button("unsilence", "End silence") : button("silence", "Silence…"),
    some && !(resources.length > 0 && resources.every((one) => one.held)) ? button("hold", "Hold…") : null,
    resources.some((one) => one.held) ? button("release", "Release…") : null);
}

/** The whole card. */
export function card(r) {
  return el("article.card", { class: r.state, "data-key": r.name, "aria-label": r.name },
    el("h3", null, sign(r.state), el("a", { href: experimentLink(r.name), "data-walk": true }, named(r.name)),
      el("span.quiet", null, ` ${r.state} for `, age(r.since))),
    issueList(r),
    el("p.booking", null, named(bookingLine(r))),
    marks(r),
    actButtons(r));
}
