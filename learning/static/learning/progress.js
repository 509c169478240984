// Tells the server how far a chapter was read: now and then, and when the page is left.

import { withToken } from "./requests.js";

const EVERY_MS = 15_000;
const text = document.querySelector("[data-read]");
let seen = 0;
let told = 0;

const look = () => {
  const box = text.getBoundingClientRect();
  if (!box.height || document.hidden) return;
  seen = Math.max(seen, Math.min(100, Math.round((100 * (innerHeight - box.top)) / box.height)));
};

const tell = () => {
  if (seen <= told) return;
  const body = withToken(new FormData());
  body.set("percent", String(seen));
  if (navigator.sendBeacon(text.dataset.read, body)) told = seen;
};

look();
addEventListener("scroll", look, { passive: true });
addEventListener("resize", look);
setInterval(tell, EVERY_MS);
document.addEventListener("visibilitychange", () => { if (document.hidden) tell(); });
addEventListener("pagehide", tell);
