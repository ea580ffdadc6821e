// Calls of the API, relative to the page: a reverse proxy may put both anywhere.
import { ask, forget, token } from "./token.js";
import { learnClock } from "./time.js";

const base = "api/v1/";

/** A call that the server refused, or that didn't reach it (status 0), in words for a person. */
class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Reads something; the answer's headers are left out. */
export const get = (path, options) => call("GET", path, undefined, options);

/** Changes something. */
export const send = (method, path, body) => call(method, path, body, { admin: true });

/** The path of an experiment, or of something of it. */
export const experimentPath = (name, rest = "") => `experiments/${encodeURIComponent(name)}${rest}`;

/** Query text out of what is not empty. */
export function query(values) {
  const given = new URLSearchParams(Object.entries(values).filter(([, value]) => value));
  const text = given.toString();
  return text ? `?${text}` : "";
}

/** Headers that go with every call. */
export function headers(more = {}) {
  const kept = token();
  return kept ? { ...more, Authorization: `Bearer ${kept}` } : more;
}

async function call(method, path, body, { signal, admin = false, outside = false } = {}) {
  if (admin && !token() && !await ask("Who changes something says who it is: it is written down.", { themselves: true })) {
    throw new Refused(401, "Nothing was changed: that takes a token.");
  }
  for (let attempt = 1; ; attempt++) {
    const used = token();
    const sentAt = Date.now();
    let answer;
    try {
      answer = await fetch(outside ? path : base + path, {
        method, signal, cache: "no-cache", credentials: "same-origin", redirect: "error",
        keepalive: admin, // who leaves the page has changed it all the same
        headers: headers(body === undefined ? {} : { "Content-Type": "application/json" }),
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch (fault) {
      if (fault.name === "AbortError") throw fault;
      throw new Refused(0, admin ? "The server can't be reached; nothing was changed, as far as is known." : "The server can't be reached.");
    }
    learnClock(answer.headers.get("Date"), sentAt);
    if (answer.ok) return answer.status === 204 ? null : answer.json();
    const { message } = await answer.json().catch(() => ({}));
    const words = message ? capital(message) : `The server answered ${answer.status}`;
    if (answer.status === 401 && attempt === 1) {
      if (used && token() === used) forget();
      if (token() || await ask(`${words}.`, { themselves: admin })) continue;
    }
    throw new Refused(answer.status, `${words}.`.replace(/([.!?])\.$/, "$1"));
  }
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
