// Keys for what the page offers as buttons and links: each names its keys in `data-key`.

let isLeaving = false; // a second press must not decide on what has been decided on

function isTyping(event) {
  const field = event.target.closest?.("input, textarea, select, [contenteditable]");
  return event.isComposing || (field && !["checkbox", "radio", "hidden"].includes(field.type));
}

function offered(key) {
  const all = document.querySelectorAll("[data-review] [data-key]");
  return [...all].find((one) => one.dataset.key.split(" ").includes(key) && !one.disabled);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || isTyping(event)) return;
  const keys = document.querySelector("[data-keys]");
  if (event.key === "?" && keys) {
    keys.open = !keys.open;
    keys.scrollIntoView({ block: "nearest" });
    event.preventDefault();
    return;
  }
  // "A" is Shift and a. With the caps lock on, it is a all the same.
  const scrolls = event.key.startsWith("Arrow") && event.target.closest?.("[tabindex='0']");
  if (scrolls) return; // wide code and tables
  const letter = event.key.length === 1 && (event.shiftKey ? event.key.toUpperCase() : event.key.toLowerCase());
  const found = offered(letter || event.key);
  if (!found || isLeaving) return;
  isLeaving = true;
  event.preventDefault();
  found.click();
});

document.addEventListener("submit", () => { isLeaving = true; });
// A page that the browser has kept and shows again.
window.addEventListener("pageshow", () => { isLeaving = false; });

// The theme hides the page until its own scripts have run, and a browser focuses nothing hidden.
document.querySelector("[data-review] [autofocus]")?.focus();
document.querySelector("[data-review]").dataset.ready = ""; // the page listens to keys
