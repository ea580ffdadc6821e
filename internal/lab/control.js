"use strict";
document.getElementById("order").addEventListener("submit", async function (e) {
  e.preventDefault();
  const out = document.getElementById("answer");
  try {
    const r = await fetch("/order", { method: "POST", body: e.target.line.value });
    if (r.ok) { location.reload(); } else { out.textContent = await r.text(); }
  } catch (err) { out.textContent = "The lab does not answer: " + err; }
});
