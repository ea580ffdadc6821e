// Takes messages of the server in, in their order, for a part of each frame, so that
// a flood of them leaves room for the reader.
import { soon } from "./frame.js";

const atOnce = 8; // ms of a frame that messages may take
const mostQueued = 64 << 20; // characters that wait to be taken in

const queue = [];
let queued = 0;
let pumping = false;
let take = null;
let flooded = null;

/** Has each message handed to taken; where far too much waits it is dropped, and overflow called. */
export function onMessages(taken, overflow) {
  take = taken;
  flooded = overflow;
}

/** One message out of its text: its fields, with the data still as text. Comments have none. */
function parse(block) {
  const message = { event: "message", data: "", id: "" };
  const data = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon === 0) continue;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") data.push(value);
    else if (field === "event" || field === "id") message[field] = value;
  }
  message.data = data.join("\n");
  return message;
}

/** Has a message taken in soon. */
export function enqueue(block) {
  const message = parse(block);
  if (!message.data) return;
  queue.push(message);
  queued += message.data.length;
  if (queued > mostQueued) {
    // We don't keep up: what is known anew is less than what waits.
    queue.length = queued = 0;
    flooded();
    return;
  }
  if (!pumping) {
    pumping = true;
    soon(pump);
  }
}

function pump() {
  const until = performance.now() + (document.hidden ? 200 : atOnce);
  let next = 0;
  while (next < queue.length && (next === 0 || performance.now() < until)) {
    const message = queue[next++];
    queued -= message.data.length;
    take(message);
  }
  queue.splice(0, next);
  pumping = queue.length > 0;
  if (pumping) soon(pump);
}
