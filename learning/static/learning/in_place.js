// Links to a place in the same page, but for what is chosen there, change parts of it in place.
//
// Address, title, Back and the focus go on as if the page were opened anew, which is what happens
// without this script, and where anything goes wrong. The parts are all [data-part], in order.

const parts = (root) => [...root.querySelectorAll("[data-part]")];
const without = (address) => address.href.replace(/#.*/, "");
let shown = without(location);
let running = null;

const fetched = async (address, signal) => {
  const response = await fetch(address, { signal });
  if (!response.ok || response.redirected) throw new Error(`no page: ${response.status}`);
  return new DOMParser().parseFromString(await response.text(), "text/html");
};

const change = async (address, { isNew }) => {
  running?.abort();
  running = new AbortController();
  const { signal } = running;
  const main = document.querySelector("main");
  main.ariaBusy = "true";
  try {
    const page = await fetched(without(address), signal);
    const [before, after] = [parts(document), parts(page)];
    if (signal.aborted) return;
    if (before.length !== after.length) throw new Error("another page");
    if (isNew) history.pushState(null, "", address);
    shown = without(address);
    document.title = page.title;
    before.forEach((part, number) => part.replaceWith(after[number]));
    document.dispatchEvent(new Event("parts:changed"));
  } catch {
    if (!signal.aborted) location.assign(address);
    return;
  }
  main.ariaBusy = null;
  if (isNew) lead(address.hash.slice(1));
};

// To what was opened: the keyboard and screen readers go on there. What it was opened from stays
// in sight, where the page says so.
const lead = (id) => {
  const opened = document.getElementById(id);
  if (!opened) return;
  opened.focus({ preventScroll: true });
  const stays = opened.closest("[data-part]").querySelector("[data-stays]");
  const isBeside = stays && opened.getBoundingClientRect().left >= stays.getBoundingClientRect().right;
  (stays ?? opened).scrollIntoView({ block: isBeside ? "nearest" : "start" });
};

document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-part] a[href]");
  if (!link || event.defaultPrevented || event.button) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const address = new URL(link.getAttribute("href"), location.href);
  const isHere = address.origin === location.origin && address.pathname === location.pathname;
  if (!isHere || !address.hash || without(address) === shown) return;
  event.preventDefault();
  change(address, { isNew: true });
});
addEventListener("popstate", () => {
  if (without(location) !== shown) change(new URL(location.href), { isNew: false });
});
