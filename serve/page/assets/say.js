// Tells a screen reader what changes: few words, seldom, and never over others.
import { $, put } from "./dom.js";
import { plural } from "./words.js";

const every = 5000; // ms between two announcements
let waiting = new Map(); // by experiment, what became of it
let timer = 0;

/** Says a sentence soon. */
export function say(text) {
  const place = $("#said");
  put(place, "");
  setTimeout(() => put(place, text), 50); // the same words twice are said twice
}

/** Notes that an experiment became well, wrong or unknown; what belongs together is said together. */
export function note(name, became) {
  waiting.set(name, became);
  timer ||= setTimeout(tell, every);
}

function tell() {
  timer = 0;
  const byWord = group(waiting);
  const parts = [];
  for (const [became, all] of byWord) {
    parts.push(all.length <= 3
      ? `${all.map(([name]) => name).join(", ")}: ${became}`
      : `${plural(all.length, "experiment")}: ${became}`);
  }
  waiting = new Map();
  if (parts.length) say(`${parts.join(". ")}.`);
}

function group(entries) {
  const found = new Map();
  for (const entry of entries) found.set(entry[1], [...(found.get(entry[1]) ?? []), entry]);
  return found;
}
