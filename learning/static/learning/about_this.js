// Words of a chapter that are marked can be asked about: a button writes them into the question.

const LONGEST = 300;
const text = document.querySelector("[data-text]");
const button = document.querySelector("[data-about-this]");
const opener = document.querySelector("[data-sheet-open]");
const field = document.querySelector("[data-question]");
let words = "";

const marked = () => {
  const selection = getSelection();
  if (!selection.rangeCount || selection.isCollapsed) return "";
  if (!text.contains(selection.anchorNode) || !text.contains(selection.focusNode)) return "";
  const found = selection.toString().replace(/\s+/g, " ").trim();
  return found.length < 2 ? "" : found.length > LONGEST ? `${found.slice(0, LONGEST)}…` : found;
};

const show = () => {
  if (document.activeElement === button) return;
  words = marked();
  button.hidden = words === "";
  if (!words || matchMedia("(pointer: coarse)").matches) return; // there it has a place of its own
  const end = getSelection().getRangeAt(0).getBoundingClientRect();
  const around = button.offsetParent.getBoundingClientRect();
  button.style.top = `${end.bottom - around.top + 6}px`;
  button.style.left = `${Math.max(0, Math.min(end.left - around.left, around.width - button.offsetWidth))}px`;
};

document.addEventListener("selectionchange", show);
// The press must not take the selection away before the click.
button.addEventListener("pointerdown", (event) => event.preventDefault());
button.addEventListener("click", () => {
  field.value = button.dataset.aboutThis.replace("{words}", words);
  field.dispatchEvent(new Event("input", { bubbles: true }));
  button.hidden = true;
  getSelection().removeAllRanges();
  if (opener.getAttribute("aria-expanded") === "false" && opener.checkVisibility()) opener.click();
  field.focus();
});
