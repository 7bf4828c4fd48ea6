// A minute before the vault locks itself this says so, counts down, and offers to stay. When time is up it leads to the
// closed vault, so that nothing stays on the screen. Other tabs keep the session too, so the server is asked first;
// asking does not keep it open.
"use strict";
(() => {
  const box = document.getElementById("idle");
  if (!box) return;
  const WARNING = 60;
  const count = box.querySelector("[data-count]");
  const words = box.querySelector("[role=alert]");
  const sentence = words.firstElementChild;
  let ends = Date.now() + 1000 * Number(box.dataset.left);
  const closed = `${box.dataset.closed}?next=${encodeURIComponent(location.pathname + location.search)}`;
  let asked = 0;

  const left = () => Math.ceil((ends - Date.now()) / 1000);
  const learn = async () => {
    asked = Date.now();
    try {
      const answer = await fetch(box.dataset.ask);
      ends = Date.now() + 1000 * (await answer.json()).left;
    } catch {
      // not reached: what was known stands
    }
  };
  const show = () => {
    const seconds = left();
    const warns = seconds <= WARNING;
    if (box.hidden === warns) {
      if (warns) words.replaceChildren(sentence); // so that a screen reader says it when it appears
      box.hidden = !warns;
    }
    count.textContent = `0:${String(Math.max(0, seconds)).padStart(2, "0")}`;
  };
  const settle = () => {
    if (left() <= 0) location.replace(closed);
    else show();
  };
  const tick = async () => {
    const seconds = left();
    if (seconds <= WARNING && (box.hidden || seconds <= 0) && Date.now() - asked > 2000) await learn();
    settle();
    setTimeout(tick, left() > WARNING ? 1000 * Math.min(30, left() - WARNING) : 1000);
  };
  box.querySelector("[data-keep]").addEventListener("click", async () => {
    try {
      await fetch(box.dataset.stay, { method: "POST", redirect: "manual" });
    } catch {
      return; // not reached: it goes on counting
    }
    await learn();
    show();
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) learn().then(settle);
  });
  tick();
})();
