// Makes elements and brings what is on the page in line with what it should show.
// Whatever comes from the laboratory becomes text or an attribute, never markup.

/**
 * Makes an element: el("a.cell#first", {href: "./"}, "text", child, [children], null).
 * Attributes that are null, undefined or false are left out; `on` holds listeners.
 */
export function el(spec, attributes, ...children) {
  const [, tag, rest] = /^([a-z0-9]+)(.*)$/.exec(spec);
  const made = document.createElement(tag);
  for (const part of rest.match(/[.#][^.#]+/g) ?? []) {
    if (part[0] === ".") made.classList.add(part.slice(1));
    else made.id = part.slice(1);
  }
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [type, listener] of Object.entries(value)) made.addEventListener(type, listener);
    } else if (name === "class") {
      made.classList.add(...value.split(" ").filter(Boolean));
    } else {
      made.setAttribute(name, value === true ? "" : value);
    }
  }
  made.append(...nodes(children));
  return made;
}

/** Flattens children into nodes; texts become text nodes. */
function nodes(children) {
  return children.flat(Infinity)
    .filter((child) => child !== null && child !== undefined && child !== false && child !== "")
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}

/** What a stranger named: kept from changing the direction of the text around it. */
export const named = (text) => el("bdi", null, text);

/** The sign of a state or a tone: a shape, for the eye only; the word stands beside it. */
export const sign = (state) => el(`span.sign.${state}`, { "aria-hidden": "true" });

/**
 * Makes parent hold what the children say and touches only what differs, so that
 * focus, selection and scrolling survive. Children with a data-key keep their element
 * wherever they move. Listeners are not compared: put them on something that stays.
 */
export function fill(parent, ...children) {
  const wanted = nodes(children);
  const keys = new Set(wanted.map(keyOf).filter((key) => key !== undefined));
  const kept = new Map();
  for (const child of [...parent.childNodes]) {
    const key = keyOf(child);
    if (key === undefined) continue;
    if (keys.has(key)) kept.set(key, child);
    else child.remove();
  }
  let at = parent.firstChild;
  for (const want of wanted) {
    const key = keyOf(want);
    let have = key === undefined ? at : kept.get(key);
    if (have && key === undefined && keyOf(have) !== undefined) have = null;
    if (!have || have.nodeName !== want.nodeName) {
      parent.insertBefore(want, at);
      continue;
    }
    if (have === at) at = at.nextSibling;
    else parent.insertBefore(have, at);
    alter(have, want);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

const keyOf = (node) => node.dataset?.key;

/** Alters one node to be like another of the same kind. */
function alter(have, want) {
  if (have.nodeType !== Node.ELEMENT_NODE) {
    if (have.data !== want.data) have.data = want.data;
    return;
  }
  for (const { name } of [...have.attributes]) {
    // Whether something is unfolded is the reader's to say.
    if (!want.hasAttribute(name) && name !== "open") have.removeAttribute(name);
  }
  for (const { name, value } of want.attributes) {
    if (have.getAttribute(name) === value) continue;
    if (name === "style") have.style.cssText = want.style.cssText; // the policy lets no attribute say it
    else have.setAttribute(name, value);
  }
  fill(have, ...want.childNodes);
}

/** Puts text into an element, where it differs. */
export function put(element, text) {
  if (element && element.textContent !== text) element.textContent = text;
}

export const $ = (selector, within = document) => within.querySelector(selector);

/** A link to an experiment's page. */
export const experimentLink = (name) => `experiment?name=${encodeURIComponent(name)}`;

/**
 * A table that becomes a list of its rows where there is no room for columns. Rows are
 * {key, cells}; each cell is an array of children; the first cell heads its row.
 */
export function table(label, headings, rows) {
  return el("table", { role: "table", "aria-label": label },
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" },
      headings.map((heading) => el("th", { role: "columnheader", scope: "col" }, heading)))),
    el("tbody", { role: "rowgroup" }, rows.map(({ key, cells, of }) =>
      el("tr", { role: "row", "data-key": key, class: of ?? "" }, cells.map((cell, i) => (i === 0
        ? el("th", { role: "rowheader", scope: "row" }, cell)
        : el("td", { role: "cell", "data-label": headings[i] }, cell)))))));
}
