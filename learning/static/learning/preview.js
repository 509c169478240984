// Shows how a chapter's text will look, below its field, a moment after the last key.

const AFTER_MS = 400;
const preview = document.querySelector("[data-preview]");
const field = document.querySelector("textarea#id_text");
const shown = preview?.querySelector("[data-preview-text]");
const note = preview?.querySelector("[data-preview-note]");
let waiting = 0;
let newest = 0;

const render = async () => {
  const number = ++newest;
  const body = new FormData();
  body.set("text", field.value);
  body.set("csrfmiddlewaretoken", document.querySelector("[name=csrfmiddlewaretoken]").value);
  let html = null;
  try {
    const response = await fetch(preview.dataset.preview, { method: "POST", body });
    if (response.ok && !response.redirected) html = (await response.json()).html;
  } catch {
    html = null; // the server is away; the next key tries again
  }
  if (number !== newest) return; // a later text is on its way
  note.textContent = html === null ? note.dataset.wordAway : "";
  if (html !== null) shown.innerHTML = html; // it went through the server's sanitizer
};

if (preview && field) {
  preview.hidden = false;
  field.closest(".form-row, .field-row")?.after(preview);
  field.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(render, AFTER_MS);
  });
  render();
}
