// Figures in the units that suit them.
import { span } from "./time.js";

/** Seconds. */
export function seconds(s) {
  if (s >= 60) return span(s * 1000);
  if (s >= 1) return `${Number(s.toPrecision(2))} s`;
  if (s >= 1e-3) return `${Number((s * 1e3).toPrecision(2))} ms`;
  return `${Number((s * 1e6).toPrecision(2))} µs`;
}

/** Bytes. */
export function bytes(n) {
  const units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
  let i = 0;
  for (; n >= (i ? 999.5 : 1000) && i < units.length - 1; i++) n /= 1000; // 999.5 kB has four digits when it is rounded
  return `${i ? n.toPrecision(3) : n} ${units[i]}`;
}
