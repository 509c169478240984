// A text area for a question: it grows with its words, Enter sends, and it counts near its limit.
//
// Shift+Enter makes a line, and an Enter that belongs to an input method does not send.

import { codePoints } from "./codepoints.js";
import { counted, fill } from "./words.js";

const NEAR = 0.9; // of the limit: from here on it counts

export class QuestionField {
  // `on` has the functions send(), changed(), tooLong(words) and, where it can be left, cancel().
  constructor(input, { counter, button, limit, words, on }) {
    Object.assign(this, { input, counter, button, limit, words, on });
    let isComposing = false;
    input.addEventListener("compositionstart", () => (isComposing = true));
    // Safari ends the composition before the Enter that ended it arrives.
    input.addEventListener("compositionend", () => setTimeout(() => (isComposing = false)));
    input.addEventListener("keydown", (event) => {
      if (isComposing || event.isComposing || event.keyCode === 229) return;
      if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        this.send();
      } else if (event.key === "Escape" && on.cancel) {
        event.stopPropagation(); // it closes this, not the sheet around it
        on.cancel();
      }
    });
    input.addEventListener("input", () => this.changed());
  }

  // The most characters a question may have; 0: only the server knows.
  get longest() {
    return Number(this.limit.dataset.longest);
  }

  get text() {
    return this.input.value.trim();
  }

  set text(text) {
    this.input.value = text;
    this.changed();
  }

  changed() {
    this.grow();
    this.count();
    this.on.changed?.();
  }

  send() {
    if (this.excess > 0) {
      this.on.tooLong(this.reason);
      this.input.focus();
    } else if (this.text) {
      this.on.send(this.text);
    }
  }

  get excess() {
    // A text has at most as many code points as units: mostly there is nothing to count.
    if (!this.longest || this.input.value.length <= this.longest) return 0;
    return Math.max(0, codePoints(this.text) - this.longest);
  }

  get reason() {
    return counted(this.words, "toolong", this.excess);
  }

  count() {
    if (!this.longest) return;
    const { excess } = this;
    const length = this.input.value.length < this.longest * NEAR ? 0 : codePoints(this.text);
    const isNear = length >= this.longest * NEAR;
    this.counter.hidden = !isNear;
    this.counter.toggleAttribute("data-too-long", excess > 0);
    if (isNear) {
      const { longest } = this;
      this.counter.textContent =
        excess > 0 ? this.reason : fill(this.words.length, { n: length, longest });
    }
    if (excess > 0) this.button.setAttribute("aria-disabled", "true");
    else this.button.removeAttribute("aria-disabled");
    this.button.title = excess > 0 ? this.reason : "";
    this.input.setAttribute("aria-invalid", String(excess > 0));
  }

  grow() {
    this.input.style.height = "auto";
    if (this.input.scrollHeight > this.input.clientHeight) {
      const borders = this.input.offsetHeight - this.input.clientHeight;
      this.input.style.height = `${this.input.scrollHeight + borders}px`; // up to max-height
    }
  }
}
