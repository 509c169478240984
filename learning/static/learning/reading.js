// A chapter page: the tutor as a sheet on phones, and citations that lead to their passage.

const sheet = document.querySelector("[data-sheet]");
const opener = document.querySelector("[data-sheet-open]");
const reading = document.querySelector("[data-reading]");
const text = document.querySelector("[data-text]");
const PASSAGE = /^(\d+)-(\d+)$/;

const setSheet = (isOpen) => {
  if (sheet.hasAttribute("data-open") === isOpen) return;
  sheet.toggleAttribute("data-open", isOpen);
  reading.inert = isOpen;
  opener.setAttribute("aria-expanded", String(isOpen));
  (isOpen ? sheet.querySelector("[data-question]") : opener).focus();
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
  first?.scrollIntoView({ block: "start" });
  return first !== null;
};

document.addEventListener("click", (event) => {
  const link = event.target.closest("a.cite, a[data-cite]");
  if (!link?.getAttribute("href") || event.defaultPrevented || event.button) return;
  if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const address = new URL(link.href);
  const passage = PASSAGE.exec(address.searchParams.get("passage") ?? "");
  if (address.origin !== location.origin || !passage) return;
  const conversation = document.querySelector("[data-chat]")?.dataset.conversation;
  if (conversation) address.searchParams.set("conversation", conversation);
  event.preventDefault();
  if (address.pathname !== location.pathname) {
    location.assign(address); // the conversation goes along to the other chapter
    return;
  }
  setSheet(false);
  if (showPassage(Number(passage[1]), Number(passage[2]))) history.replaceState(null, "", address);
});
