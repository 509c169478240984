// The chat of a page, as its student uses it: asking, asking again, stopping, leafing.
//
// How things look is the business of Log and Composer; what the server says, of Line.

import { Composer } from "./composer.js";
import { Copying } from "./copying.js";
import { Editor } from "./editing.js";
import { Feedback } from "./feedback.js";
import { Line } from "./line.js";
import { Log } from "./log.js";
import { startConversation } from "./requests.js";
import { isTouched, markScrolling } from "./screen.js";
import { Suggestions } from "./suggestions.js";
import { fetchVersion, focusVersions } from "./versions.js";
import { readWords } from "./words.js";

const newId = () =>
  crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16)).join("-");

class Chat {
  constructor(root) {
    this.root = root;
    this.words = readWords(root);
    this.status = root.querySelector("[data-status]");
    this.announcer = root.querySelector("[data-announce]");
    this.log = new Log(root, this.words);
    this.composer = new Composer(root, this.words, {
      ask: (text) => this.ask(text),
      stop: () => this.stop(),
      say: (words) => this.say(words),
    });
    this.waiting = null; // {id, text, …}: what was asked, and its turn has not begun
    this.wantsStop = false;
    this.editors = new Set();
    this.line = new Line(this);
    this.newButton = document.querySelector("[data-chat-new]");
    this.newButton?.addEventListener("click", () => this.startOver());
    this.log.element.addEventListener("click", (event) => this.clicked(event));
    this.log.element.addEventListener("submit", (event) => this.versionChosen(event));
    const saying = {
      say: (words) => this.tell(words),
      fail: (words) => this.say(words),
    };
    new Feedback(root, this.log.element, this.words, saying);
    new Copying(this.log.element, this.words, saying);
    this.suggestions = new Suggestions(root, this.log, {
      propose: (text, button) => this.propose(text, button),
    });
    root.toggleAttribute("data-live", true);
    if (root.dataset.socket) this.line.connect();
    this.update();
  }

  // --- Questions -------------------------------------------------------------------------------
  get isBusy() {
    return Boolean(this.log.running || this.waiting);
  }

  get isClosed() {
    return this.isBusy || this.line.isRefused;
  }

  ask(text) {
    if (this.isClosed) return;
    const element = this.log.addQuestion(text);
    this.composer.leave(text, { empties: true });
    const giveBack = () => {
      element.remove();
      this.log.readAnswers();
      this.composer.giveBack(text);
    };
    this.log.follow({ always: true });
    this.send({ text, element, giveBack });
  }

  propose(text, button) {
    this.composer.propose(text);
    // A touch does not call the keyboard up; who cannot see the field hears that it is filled.
    if (!isTouched || button.matches(":focus-visible")) this.composer.input.focus();
    this.tell(this.words.proposed);
  }

  clicked(event) {
    const button = event.target.closest("[data-edit], [data-again]");
    if (!button || this.isClosed) return;
    const article = button.closest("article");
    if (button.matches("[data-edit]")) this.edit(article);
    else this.askAgain(article);
  }

  askAgain(answer) {
    const text = answer.previousElementSibling?.querySelector("[data-body]")?.textContent;
    if (!text) return;
    this.log.follow({ always: true });
    this.send({ text, insteadOf: answer.dataset.turn, giveBack: () => {} });
    this.leaveButton();
  }

  edit(question) {
    const insteadOf = this.log.turnOf(question);
    if (!insteadOf) return;
    const editor = new Editor(this.root, this.words, question, {
      say: (words) => this.say(words),
      closed: () => this.editors.delete(editor),
      ask: (text) => {
        if (this.isClosed) return;
        editor.wait();
        this.composer.leave(text, { empties: false });
        const giveBack = () => {
          this.composer.settle();
          if (editor.isGone) this.composer.giveBack(text);
          else editor.giveBack();
        };
        this.send({ text, insteadOf, editor, giveBack });
        this.leaveButton();
      },
    });
    this.editors.add(editor);
  }

  // What had the focus is going away.
  leaveButton() {
    const next = isTouched ? this.log.element : this.composer.input;
    next.focus({ preventScroll: true });
  }

  // The question goes out as soon as there is a connection to a conversation.
  async send(question) {
    const waiting = { id: newId(), insteadOf: null, element: null, editor: null, ...question };
    this.waiting = waiting;
    this.say(this.line.isReady ? this.words.searching : this.words.connecting);
    this.update();
    if (this.root.dataset.socket) {
      if (this.line.isReady) this.sendWaiting(); // else it goes out when the line is ready
      return;
    }
    const { reply, problem } = await startConversation(this.composer.form, this.words);
    if (reply) {
      const { id, url, socket } = reply;
      Object.assign(this.root.dataset, { conversation: id, page: url, socket });
      this.line.connect();
    } else if (this.waiting === waiting) {
      this.takeBack(problem);
    }
  }

  sendWaiting() {
    const { id, text, insteadOf } = this.waiting;
    const frame = { type: "ask", id, text, chapter: this.root.dataset.chapter };
    if (insteadOf) frame.instead_of = insteadOf;
    this.line.send(frame, { hasReply: true });
  }

  // The turn of the question that waited has begun.
  settle() {
    const { editor } = this.waiting;
    this.waiting = null;
    if (editor) this.editors.delete(editor);
    this.composer.settle();
    this.say("");
  }

  // The question was not taken: its words return to where they were written.
  takeBack(reason) {
    const { giveBack } = this.waiting;
    this.waiting = null;
    this.update();
    giveBack();
    this.say(reason);
  }

  // Words that were being written where a question stood that is shown no more.
  saveEdits() {
    for (const editor of this.editors) {
      if (!editor.isGone || editor === this.waiting?.editor) continue;
      this.editors.delete(editor);
      if (editor.isChanged) this.composer.giveBack(editor.text);
    }
  }

  stop() {
    if (this.waiting && !this.line.isReady) {
      this.takeBack("");
      return;
    }
    this.wantsStop = true;
    this.sendStop();
    this.update();
  }

  sendStop() {
    if (this.line.isReady) this.line.send({ type: "stop" }, { hasReply: this.log.running !== null });
  }

  // --- Conversations ---------------------------------------------------------------------------
  async versionChosen(event) {
    const { target: form, submitter: button } = event;
    if (!form.matches("[data-versions]")) return;
    event.preventDefault();
    if (this.isClosed || this.isLeafing) return;
    this.isLeafing = true;
    const { step } = button.dataset;
    const turn = button.value;
    const page = await fetchVersion(this.root, form, button);
    this.isLeafing = false;
    this.say(page ? "" : this.words.unshown);
    if (!page) return;
    this.line.adopt(page);
    const article = this.log.answers.get(turn)?.element;
    if (!article) return;
    focusVersions(article, step);
    this.announcer.textContent = article.querySelector("[data-place]").textContent;
  }

  startOver() {
    if (this.waiting) this.takeBack("");
    this.line.close();
    this.log.clear();
    this.saveEdits();
    Object.assign(this.root.dataset, { socket: "", conversation: "", page: "" });
    const address = new URL(location);
    address.searchParams.delete("conversation");
    history.replaceState(null, "", address);
    this.newButton.hidden = true;
    this.say("");
    this.update();
    this.composer.input.focus();
  }

  // --- What the page says ----------------------------------------------------------------------
  update() {
    const { isBusy, wantsStop } = this;
    const { running } = this.log;
    if (!isBusy) this.wantsStop = false;
    if (running) this.sayOf(running);
    if (this.newButton && this.root.dataset.socket) this.newButton.hidden = false;
    const { isRefused } = this.line;
    this.composer.show({ isBusy, isStopping: isBusy && wantsStop, isRefused });
    this.log.lock(this.isClosed);
    if (!this.isClosed) this.suggestions.update();
  }

  // One line says what is happening, the answer's own. Not all of it is read aloud.
  sayOf(answer) {
    const { reconnecting, stopping, thinking, writing } = this.words;
    const urgent = this.line.isLost ? reconnecting : this.wantsStop ? stopping : "";
    const words = urgent || answer.doing;
    if (words === answer.status.textContent) return;
    if (words !== thinking && words !== writing) this.announcer.textContent = words;
    answer.say(words);
  }

  say(words) {
    this.status.textContent = words;
    this.status.hidden = !words;
    if (words) this.announcer.textContent = words;
  }

  // For the ears alone; the same words again are heard again.
  tell(words) {
    this.announcer.textContent = "";
    requestAnimationFrame(() => (this.announcer.textContent = words));
  }

  announce(answer) {
    markScrolling(answer.element);
    this.announcer.textContent = answer.spokenText;
  }
}

for (const root of document.querySelectorAll("[data-chat]")) new Chat(root);
