// Where questions are written: the draft, the two buttons, how many are left, and the banner.

import { QuestionField } from "./field.js";
import { isTouched } from "./screen.js";
import { counted } from "./words.js";

const FEW = 3;

export class Composer {
  // `on` has the functions ask(text), stop() and say(words).
  constructor(root, words, on) {
    this.root = root;
    this.words = words;
    this.form = root.querySelector("[data-composer]");
    this.sendButton = root.querySelector("[data-send]");
    this.stopButton = root.querySelector("[data-stop]");
    this.leftLine = root.querySelector("[data-left]");
    this.notice = root.querySelector("[data-notice]");
    this.proposed = null; // the suggestion that the field holds
    this.unasked = ""; // words that are on their way, and may come back
    this.field = new QuestionField(root.querySelector("[data-question]"), {
      counter: root.querySelector("[data-counter]"),
      button: this.sendButton,
      limit: root,
      words,
      on: { send: on.ask, changed: () => this.keepDraft(), tooLong: on.say },
    });
    this.input = this.field.input;
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.field.send();
    });
    this.stopButton.addEventListener("click", on.stop);
    this.showLeft(this.leftLine.dataset.left === "" ? null : Number(this.leftLine.dataset.left));
    if ("draft" in this.input.dataset) this.takeProposal();
    this.field.text ||= sessionStorage.getItem(this.draftKey) ?? "";
    this.field.changed();
  }

  // Another page has proposed the question. It is a draft from here on: once asked, or deleted, a
  // reload does not bring it back.
  takeProposal() {
    const address = new URL(location.href);
    address.searchParams.delete("question");
    history.replaceState(history.state, "", address);
    this.input.setSelectionRange(this.input.value.length, this.input.value.length);
  }

  // A suggestion takes the place of the one before it, and of nothing that was written by hand.
  propose(text) {
    const written = this.input.value === this.proposed ? "" : this.input.value.trim();
    this.field.text = written ? `${written}\n${text}` : text;
    this.proposed = written ? null : text;
    this.input.setSelectionRange(this.input.value.length, this.input.value.length);
  }

  // The words leave for the server; `unasked` are kept until they are surely there.
  leave(unasked, { empties }) {
    this.unasked = unasked;
    if (empties) this.field.text = "";
    else this.keepDraft();
    if (isTouched) this.input.blur(); // the keyboard would lie over the answer
  }

  // They are there, or are not meant to go any more.
  settle() {
    this.unasked = "";
    this.keepDraft();
  }

  // The words of a question that was not taken return, before those written since.
  giveBack(text) {
    this.unasked = "";
    this.field.text = [text, this.input.value].filter(Boolean).join("\n");
  }

  // A question that was not asked yet outlives a reload and a log-in in between.
  keepDraft() {
    const draft = [this.unasked, this.input.value].filter(Boolean).join("\n");
    if (draft) sessionStorage.setItem(this.draftKey, draft);
    else sessionStorage.removeItem(this.draftKey);
  }

  get draftKey() {
    return `question ${this.root.dataset.reader} ${location.pathname}`;
  }

  show({ isBusy, isStopping, isRefused }) {
    // Whoever pressed a button that goes is not left without a place on the page; but a touch
    // does not call the keyboard up.
    const { activeElement: active } = document;
    const loses = isBusy ? this.sendButton : this.stopButton;
    const isLost = active === loses || (isStopping && active === this.stopButton);
    const takesFocus = isLost && (!isTouched || active.matches(":focus-visible"));
    this.sendButton.hidden = isBusy;
    this.sendButton.disabled = isRefused;
    this.stopButton.hidden = !isBusy;
    this.stopButton.disabled = isStopping;
    if (takesFocus) this.input.focus();
  }

  // How many questions are left today; null: as many as one likes.
  showLeft(left) {
    if (left === undefined) return;
    this.leftLine.hidden = left === null;
    if (left === null) return;
    this.leftLine.textContent = left === 0 ? this.words.left_none : counted(this.words, "left", left);
    this.leftLine.toggleAttribute("data-few", left <= FEW);
  }

  showNotice(words) {
    // Always there, so that a screen reader hears it change.
    if (words !== undefined && words !== this.notice.textContent) this.notice.textContent = words;
  }
}
