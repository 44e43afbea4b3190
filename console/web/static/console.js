// Comfort only: every page does all of this without it. Ticking all rows, and the progress of a running sync.
"use strict";

document.querySelectorAll("[data-all]").forEach((all) => {
  const boxes = () => document.querySelectorAll(`input[type=checkbox][name="${all.dataset.all}"]`);
  all.hidden = false;
  all.addEventListener("change", () => boxes().forEach((box) => { box.checked = all.checked; }));
});

const EVERY = 1000;

async function follow() {
  const shown = document.querySelector("[data-progress]");
  if (!shown || shown.dataset.busy !== "yes") return;
  await new Promise((done) => setTimeout(done, EVERY));
  let text = "";
  try {
    const answer = await fetch(shown.dataset.from, { credentials: "same-origin", redirect: "error" });
    if (!answer.ok) return;
    text = await answer.text();
  } catch {
    return setTimeout(follow, 5 * EVERY);
  }
  const fresh = new DOMParser().parseFromString(text, "text/html").querySelector("[data-progress]");
  if (!fresh) return;
  shown.replaceWith(fresh);
  if (fresh.dataset.busy === "no") return location.reload(); // the figures below have changed
  follow();
}

follow();
