// The cell of an experiment in a grid: its sign, its name, and what differs from a
// plain well one.
import { $, el, experimentLink, put } from "./dom.js";
import { lab } from "./store.js";
import { markOf } from "./words.js";

const cells = new Map(); // by name, for as long as the experiment is known

/** The cell of a name, up to date when it was made. */
export function cellOf(name) {
  let cell = cells.get(name);
  if (!cell) {
    cell = el("a", { href: experimentLink(name), "data-walk": true, tabindex: -1 },
      el("span.name", null, name), el("span.unseen"), el("small"));
    cells.set(name, cell);
    refresh(name);
  }
  return cell;
}

/** Brings a cell in line with what is known, where there is one. */
export function refresh(name) {
  const cell = cells.get(name);
  const row = lab.rows.get(name);
  if (!cell || !row) return;
  const mark = markOf(row);
  const hint = [mark, row.group === "healthy" ? "" : row.issues.join(", ")].filter(Boolean).join(", ");
  if (cell.title !== hint) cell.title = hint;
  if (cell.dataset.state !== row.state) {
    cell.dataset.state = row.state; // the sign
    put($(".unseen", cell), row.state);
  }
  put($("small", cell), mark);
}

/** Forgets the cell of an experiment that is gone. */
export const drop = (name) => cells.delete(name);
