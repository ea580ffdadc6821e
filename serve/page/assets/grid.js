// A grid of many small cells that stays quick with ten thousand of them. It is cut
// into pieces of whole rows: the browser lays out and paints only those near the
// window, and all of them can be found, read and reached by key.
import { el } from "./dom.js";

const rowsToPiece = 20;
const fewEnough = 60; // changes of membership at once; of more, the whole is laid out anew

export class Grid {
  /**
   * cellOf gives the element of a name, always the same one. Names are kept sorted by
   * compare. A cell is at least so many rem wide, but where there is room for one only.
   */
  constructor(cellOf, compare, least = 10) {
    this.cellOf = cellOf;
    this.compare = compare;
    this.least = least;
    this.names = [];
    this.pieces = [];
    this.columns = 1;
    this.element = el("div.grid");
    new ResizeObserver(() => {
      const fit = this.#fitting();
      if (fit && fit !== this.columns) this.#lay(fit);
    }).observe(this.element);
  }

  /** Puts names, sorted, in place of all there are. */
  set(names) {
    const fit = this.#fitting() || this.columns;
    const same = fit === this.columns && names.length === this.names.length && names.every((name, i) => name === this.names[i]);
    this.names = [...names];
    if (!same) this.#lay(fit);
  }

  /** Adds some names and takes others away. */
  change(added, gone) {
    if (added.length + gone.length > fewEnough) {
      const left = new Set(gone);
      this.set([...this.names.filter((name) => !left.has(name)), ...added].sort(this.compare));
      return;
    }
    for (const name of gone) this.#remove(name);
    for (const name of added) this.#insert(name);
  }

  #fitting() {
    const width = this.element.clientWidth;
    if (!width) return 0;
    const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
    return Math.max(this.least > 10 ? 1 : 2, Math.floor((width + 0.25 * rem) / (this.least * rem)));
  }

  get #size() {
    return this.columns * rowsToPiece;
  }

  #lay(columns) {
    const focused = this.element.contains(document.activeElement) ? document.activeElement : null;
    this.columns = columns;
    this.element.style.setProperty("--columns", columns);
    const cells = this.names.map(this.cellOf);
    const count = Math.ceil(cells.length / this.#size);
    while (this.pieces.length < count) this.pieces.push(this.#piece());
    for (const piece of this.pieces.splice(count)) piece.remove();
    this.pieces.forEach((piece, i) => {
      piece.replaceChildren(...cells.slice(i * this.#size, (i + 1) * this.#size));
      this.#measure(piece);
    });
    focused?.focus({ preventScroll: true });
    this.#reachable();
  }

  #piece() {
    const piece = el("div.piece");
    this.element.append(piece);
    return piece;
  }

  // What isn't laid out has the height it will have, so that nothing jumps.
  #measure(piece) {
    const rows = Math.ceil(piece.childElementCount / this.columns);
    piece.style.setProperty("--rows", rows);
  }

  // One cell can be reached by Tab; the arrows lead to the others.
  #reachable() {
    if (this.element.querySelector('[tabindex="0"]')) return;
    const first = this.pieces[0]?.firstElementChild;
    if (first) first.tabIndex = 0;
  }

  #find(name) {
    let low = 0, high = this.names.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.compare(this.names[middle], name) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #insert(name) {
    const i = this.#find(name);
    if (this.names[i] === name) return;
    this.names.splice(i, 0, name);
    let p = Math.floor(i / this.#size);
    if (p === this.pieces.length) this.pieces.push(this.#piece());
    this.pieces[p].insertBefore(this.cellOf(name), this.pieces[p].children[i % this.#size] ?? null);
    for (; this.pieces[p].childElementCount > this.#size; p++) {
      this.#measure(this.pieces[p]);
      if (p + 1 === this.pieces.length) this.pieces.push(this.#piece());
      this.pieces[p + 1].prepend(this.pieces[p].lastElementChild);
    }
    this.#measure(this.pieces[p]);
    this.#reachable();
  }

  #remove(name) {
    const i = this.#find(name);
    if (this.names[i] !== name) return;
    this.names.splice(i, 1);
    let p = Math.floor(i / this.#size);
    const cell = this.cellOf(name);
    if (cell !== this.pieces[p].children[i % this.#size]) { // another grid has taken it already
      this.#lay(this.columns);
      return;
    }
    cell.tabIndex = -1;
    cell.remove();
    for (; p + 1 < this.pieces.length; p++) {
      this.pieces[p].append(this.pieces[p + 1].firstElementChild);
      this.#measure(this.pieces[p]);
    }
    this.#measure(this.pieces[p]);
    if (!this.pieces[p].childElementCount) this.pieces.pop().remove();
    this.#reachable();
  }
}
