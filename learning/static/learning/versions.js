// The versions of a turn: "‹ 2 of 3 ›" under its answer. Asking again or otherwise makes another one.
//
// The server writes each as a form that works without scripts; here the page stays where it is.

import { postForm } from "./requests.js";
import { fill } from "./words.js";

// `versions`: the ids of all turns at this place, in the order they were made.
export const showVersions = (element, versions, words) => {
  const form = element.querySelector("[data-versions]");
  form.hidden = versions.length < 2;
  if (form.hidden) return;
  const place = versions.indexOf(element.dataset.turn);
  for (const button of form.querySelectorAll("[data-step]")) {
    button.value = versions[place + Number(button.dataset.step)] ?? "";
    button.disabled = !button.value;
  }
  form.querySelector("[data-place]").textContent = fill(words.version, {
    n: place + 1,
    total: versions.length,
  });
};

// Take over what the server's page says of them; a button keeps the focus it may have.
export const copyVersions = (theirs, mine) => {
  const [from, to] = [theirs, mine].map((element) => element.querySelector("[data-versions]"));
  to.hidden = from.hidden;
  to.querySelector("[data-place]").textContent = from.querySelector("[data-place]").textContent;
  for (const button of to.querySelectorAll("[data-step]")) {
    button.value = from.querySelector(`[data-step="${button.dataset.step}"]`).value;
    button.disabled = !button.value;
  }
};

// Show another version; returns the server's page, or null when it could not be had.
export const fetchVersion = (root, form, button) => {
  const body = new FormData(form);
  body.set("turn", button.value);
  return postForm(`${root.dataset.page}show/`, body, root.dataset.page);
};

// After the page has changed, the keyboard goes on where it was.
export const focusVersions = (element, step) => {
  const buttons = [...(element?.querySelectorAll("[data-versions] [data-step]:enabled") ?? [])];
  const button = buttons.find((one) => one.dataset.step === step) ?? buttons[0];
  button?.focus();
  button?.scrollIntoView({ block: "nearest" });
};
