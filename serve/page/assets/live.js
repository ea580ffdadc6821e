// Follows the server: what changes comes as server-sent events over a request of our
// own, as the browser's EventSource can't send a token. A server that is lost is said
// to be, and followed again as soon as it answers.
import { headers } from "./api.js";
import { enqueue, onMessages } from "./queue.js";
import { ask, forget, onToken, token } from "./token.js";
import { each, learnClock, now } from "./time.js";

const silence = 35e3; // without any message for that long, the server is lost
const patience = 6e3; // without a connection for that long, it is said

// A browser has few connections to one server. A page that nobody looks at lets go of
// its own, and only looks in now and then, so that its title stays true.
const napAfter = 20e3;
const napFor = 30e3;
const lookFor = 3e3;

/** How the connection is: state is starting, live or lost; heard is the latest word, in ms of the server's clock. */
export const connection = { state: "starting", heard: now(), why: "" };

const changed = new Set();
/** Has something done whenever the connection's state changes. */
export const onConnection = (task) => changed.add(task);

function become(state, why = "") {
  if (state === connection.state && why === connection.why) return;
  connection.state = state;
  connection.why = why;
  for (const task of changed) task(connection);
}

let handlers = {}; // by the name of the event
let wants = () => true; // by name and text, before a message is parsed
let lastID = "";
let resumed = false; // this connection goes on where another broke
let abort = null;
let broken = null; // when the connection was lost, on our own clock
let heardAt = 0; // on our own clock
let woken = null;
let napping = false;
let away = false; // the page is kept by the browser for the way back
let look = 0; // ends a look that is taken in a nap

/**
 * Follows for good. Handlers are called with the parsed data; a message that wants
 * refuses is not even parsed. Handler reset is called where what was missed is lost.
 */
export function follow(given, filter = wants) {
  handlers = given;
  wants = filter;
  broken = Date.now();
  onMessages(taken, () => {
    lastID = "";
    abort?.abort();
    handlers.reset?.({});
  });
  run();
  each(watchOver);
  onToken(() => { abort?.abort(); again(); });
  addEventListener("online", again);
  let nap = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(nap);
    if (document.hidden) {
      nap = setTimeout(() => { napping = true; abort?.abort(); }, napAfter);
    } else if (napping) {
      napping = false;
      clearTimeout(look);
      heardAt = Date.now();
      if (broken !== null) broken = heardAt;
      again();
    } else {
      watchOver();
    }
  });
  addEventListener("pagehide", () => { away = true; abort?.abort(); });
  addEventListener("pageshow", () => { away = false; again(); });
}

function watchOver() {
  if (napping || away) return;
  const at = Date.now();
  if (broken === null && at - heardAt > silence) {
    become("lost", "it says nothing any more");
    abort?.abort();
  } else if (broken !== null && at - broken > patience && connection.state !== "lost") {
    become("lost", connection.why || "it doesn't answer");
  }
}

/** Tries at once, in place of waiting. */
export function again() {
  woken?.();
}

async function run() {
  for (let failures = 0; ;) {
    const worked = !away && await connect();
    broken ??= Date.now();
    failures = worked ? 0 : failures + 1;
    const wait = away || napping ? napFor : Math.min(2000 * 1.5 ** Math.min(failures, 6), 15e3) * (0.75 + Math.random() / 2);
    await new Promise((resolve) => {
      const timer = setTimeout(resolve, wait);
      woken = () => { clearTimeout(timer); resolve(); };
    });
  }
}

/** Follows until the connection ends; true where it had begun. */
async function connect() {
  abort = new AbortController();
  const used = token();
  const sentAt = Date.now();
  let answer;
  try {
    answer = await fetch("api/v1/events/live", {
      cache: "no-store", credentials: "same-origin", redirect: "error", signal: abort.signal,
      headers: headers(lastID ? { Accept: "text/event-stream", "Last-Event-ID": lastID } : { Accept: "text/event-stream" }),
    });
  } catch {
    if (!abort.signal.aborted) become("lost", "it doesn't answer");
    return false;
  }
  learnClock(answer.headers.get("Date"), sentAt);
  if (!answer.ok || !answer.body) {
    const { message } = await answer.json().catch(() => ({}));
    connection.why = message || `it answers ${answer.status}`;
    if (answer.status === 401) {
      if (used && token() === used) forget();
      if (!token() && !await ask("Reading this server takes a token.")) {
        become("lost", "reading it takes a token");
        await new Promise((resolve) => { woken = resolve; });
      }
      return true;
    }
    become("lost", connection.why);
    return false;
  }
  heardAt = Date.now();
  resumed = lastID !== "";
  const mine = abort;
  look = napping ? setTimeout(() => mine.abort(), lookFor) : 0;
  try {
    await read(answer.body.getReader());
    connection.why = "it has ended the connection";
  } catch {
    connection.why = connection.state === "lost" ? connection.why : "the connection broke";
  } finally {
    clearTimeout(look);
  }
  return true;
}

async function read(reader) {
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heardAt = Date.now();
    connection.heard = now();
    broken = null;
    become("live");
    text += decoder.decode(value, { stream: true });
    if (text.includes("\r")) text = text.replace(/\r\n?/g, "\n");
    for (let from = 0; ;) {
      const end = text.indexOf("\n\n", from);
      if (end < 0) {
        text = from ? text.slice(from) : text;
        break;
      }
      enqueue(text.slice(from, end));
      from = end + 2;
    }
  }
}

function taken({ event, data, id }) {
  if (id) lastID = id;
  const handle = handlers[event];
  if (!handle || !wants(event, data)) return;
  try {
    handle(JSON.parse(data), resumed);
  } catch (fault) {
    console.error(`a live message of kind ${event} could not be taken in`, fault);
  }
}
