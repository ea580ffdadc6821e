// Keeps the page up to date without moving it under the reader. Without this
// file the page reloads itself.
"use strict";
(() => {
  const every = 10000;
  const lost = document.getElementById("lost");

  async function refresh() {
    try {
      const answer = await fetch(location.href, { cache: "no-cache", signal: AbortSignal.timeout(every) });
      if (!answer.ok && answer.status !== 404) {
        lost.textContent = `The server answered ${answer.status}: what you see is old.`;
        lost.hidden = false;
        return;
      }
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const focused = document.activeElement?.closest("main a")?.getAttribute("href");
      document.querySelector("main").replaceWith(fresh.querySelector("main"));
      document.title = fresh.title;
      if (focused) {
        document.querySelector(`main a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
      }
      lost.hidden = true;
    } catch {
      lost.textContent = "No answer from the server: what you see is old.";
      lost.hidden = false;
    }
  }

  async function loop() {
    if (!document.hidden) await refresh();
    setTimeout(loop, every);
  }
  setTimeout(loop, every);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
})();
