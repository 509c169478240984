// A chapter page: the tutor as a sheet on phones, and citations that lead to their passage.

const sheet = document.querySelector("[data-sheet]");
const opener = document.querySelector("[data-sheet-open]");
const reading = document.querySelector("[data-reading]");
const text = document.querySelector("[data-text]");
const PASSAGE = /^(\d+)-(\d+)$/;

const behind = document.querySelectorAll(
  ".skip-link, .site-header, .notices, .site-footer, [data-reading], [data-sheet-open]",
);

const setSheet = (isOpen) => {
  if (sheet.hasAttribute("data-open") === isOpen) return;
  sheet.toggleAttribute("data-open", isOpen);
  for (const element of behind) element.inert = isOpen;
  if (isOpen) sheet.setAttribute("role", "dialog");
  else sheet.removeAttribute("role");
  opener.setAttribute("aria-expanded", String(isOpen));
  // Where there is something to read, the keyboard of a phone does not come up over it.
  const isEmpty = sheet.querySelector("[data-log] article") === null;
  const inside = sheet.querySelector(isEmpty ? "[data-question]" : "[data-log]");
  (isOpen ? inside : opener).focus();
};

opener.addEventListener("click", () => setSheet(true));
for (const closer of document.querySelectorAll("[data-sheet-close]")) {
  closer.addEventListener("click", () => setSheet(false));
}
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && !event.isComposing) setSheet(false);
});
// Wide enough for both: the sheet is a panel again.
matchMedia("(min-width: 64rem)").addEventListener("change", (wide) => {
  if (wide.matches) setSheet(false);
});

const showPassage = (start, end) => {
  let first = null;
  for (const block of text.querySelectorAll("[data-start]")) {
    const isCited = Number(block.dataset.start) < end && Number(block.dataset.end) > start;
    block.classList.toggle("cited", isCited);
    if (isCited) first ??= block;
  }
  if (first === null) return false;
  first.tabIndex = -1; // whoever cannot see the page goes on reading here
  first.focus({ preventScroll: true });
  first.scrollIntoView({ block: "start" });
  return true;
};

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.cite, a[data-cite]");
  if (!link?.getAttribute("href") || event.defaultPrevented || event.button) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const address = new URL(link.href);
  const passage = PASSAGE.exec(address.searchParams.get("passage") ?? "");
  if (address.origin !== location.origin || !passage) return;
  if (address.pathname !== location.pathname) return;
  event.preventDefault();
  setSheet(false);
  if (showPassage(Number(passage[1]), Number(passage[2]))) history.replaceState(null, "", address);
});
