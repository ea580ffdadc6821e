// Which experiments the overview shows. The filter lives in the address, so that it
// can be sent to somebody, and the way back leads out of it.
import { $, el, fill, sign } from "./dom.js";
import { lab } from "./store.js";

const states = ["unhealthy", "flapping", "unknown", "starting", "healthy"];
const marks = {
  acknowledged: (r) => Boolean(r.ack), silenced: (r) => Boolean(r.silence),
  maintenance: (r) => Boolean(r.maintenance), held: (r) => Boolean(r.held),
};

/** The filter in an address. */
export function filterOf({ search }) {
  const given = new URLSearchParams(search);
  const one = (name, allowed) => (allowed.includes(given.get(name)) ? given.get(name) : "");
  return { q: (given.get("q") ?? "").slice(0, 200), state: one("state", states), mark: one("mark", Object.keys(marks)) };
}

const addressOf = ({ state, mark, q }) => {
  const given = new URLSearchParams(Object.entries({ state, mark, q }).filter(([, value]) => value)).toString();
  return given ? `?${given}` : "./";
};

/** The form, as the server makes it. */
export const filterForm = ({ q }) => el("form#filter", { role: "search", action: "./" },
  el("label", { for: "q" }, "Find"),
  el("input#q", { type: "search", name: "q", value: q, maxlength: 200, autocomplete: "off", spellcheck: "false", "aria-keyshortcuts": "/" }),
  el("nav#states", { "aria-label": "Show only" }));

/** Whether an experiment is let pass: by its state, its marks, and its name, resources or issues. */
export function matches({ q, state, mark }, r) {
  if (state && r.state !== state) return false;
  if (mark && !marks[mark](r)) return false;
  if (!q) return true;
  const text = q.toLowerCase();
  const has = (word) => word && word.toLowerCase().includes(text);
  return has(r.name) || has(r.resource_name) || r.resources.some((one) => has(one.name)) || r.issues.some(has);
}

let current = null; // gives the filter in force
let change = null;

/** Hears what the reader chooses; of gives the filter in force, changed is called with another. */
export function watchFilter(of, changed) {
  current = of;
  change = changed;
  document.addEventListener("input", (event) => {
    if (event.target.id !== "q") return;
    const next = { ...current(), q: event.target.value };
    history.replaceState(null, "", addressOf(next));
    change(next);
  });
  document.addEventListener("submit", (event) => {
    if (event.target.id !== "filter") return;
    event.preventDefault();
    $("[data-walk]")?.focus();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("#states a, [data-clear]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    const next = filterOf(new URL(link.href));
    history.pushState(null, "", addressOf(next));
    $("#q").value = next.q;
    change(next);
  });
  addEventListener("popstate", () => {
    const next = filterOf(location);
    $("#q").value = next.q;
    change(next);
  });
  if (new URLSearchParams(location.search).has("find")) {
    history.replaceState(null, "", "./");
    $("#q")?.focus();
  }
}

/** Shows what can be chosen, with how many of each there are. */
export function showFilter(filter, counts) {
  const found = Object.fromEntries(Object.keys(marks).map((mark) => [mark, 0]));
  for (const row of lab.rows.values()) {
    if (!row.ack && !row.silence && !row.maintenance && !row.held) continue;
    for (const mark in marks) if (marks[mark](row)) found[mark]++;
  }
  const chip = (words, to, chosen, shape) =>
    el("a", { href: addressOf(to), "aria-current": chosen ? "true" : null, "data-key": words.at(-1) }, shape ? sign(shape) : null, words.join(" "));
  fill($("#states"),
    chip([counts.total.toLocaleString("en"), "all"], { q: filter.q }, !filter.state && !filter.mark),
    states.filter((state) => counts[state] || state === filter.state)
      .map((state) => chip([counts[state].toLocaleString("en"), state], { q: filter.q, state }, state === filter.state, state)),
    Object.keys(marks).filter((mark) => found[mark] || mark === filter.mark)
      .map((mark) => chip([found[mark].toLocaleString("en"), mark], { q: filter.q, mark }, mark === filter.mark)));
}
