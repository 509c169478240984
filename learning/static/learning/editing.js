// A question that is being changed, in its own place: what is asked then takes its turn's place.

import { QuestionField } from "./field.js";

export class Editor {
  // `on` has the functions ask(text), say(words) and closed().
  constructor(root, words, question, on) {
    this.root = root;
    this.question = question;
    this.on = on;
    this.body = question.querySelector("[data-body]");
    const template = root.querySelector("template[data-editor-template]");
    this.form = template.content.firstElementChild.cloneNode(true);
    this.fields = this.form.querySelector("fieldset");
    this.field = new QuestionField(this.form.querySelector("textarea"), {
      counter: this.form.querySelector("[data-counter]"),
      button: this.form.querySelector("[data-save]"),
      limit: root,
      words,
      on: { send: on.ask, tooLong: on.say, cancel: () => this.close() },
    });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.field.send();
    });
    this.form.querySelector("[data-cancel]").addEventListener("click", () => this.close());
    question.toggleAttribute("data-editing", true);
    question.append(this.form);
    this.field.text = this.body.textContent;
    this.field.input.focus();
    this.form.scrollIntoView({ block: "nearest" });
  }

  get text() {
    return this.field.text;
  }

  get isChanged() {
    return this.text !== "" && this.text !== this.body.textContent.trim();
  }

  get isGone() {
    return !this.question.isConnected;
  }

  // It was asked, and is not answered yet.
  wait() {
    this.fields.disabled = true;
  }

  // It was not taken: the words are still here.
  giveBack() {
    this.fields.disabled = false;
    this.field.input.focus();
  }

  close() {
    this.form.remove();
    this.question.removeAttribute("data-editing");
    this.question.querySelector("[data-edit]").focus();
    this.on.closed();
  }
}
