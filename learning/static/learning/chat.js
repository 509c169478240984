// The chat of a page: asks, shows what the websocket says, and survives a lost connection.
//
// Protocol: CONTRACT, "Websocket". A question keeps its id until its turn has begun, so sending it
// again after a break starts nothing twice.

import { Answer, newQuestion } from "./answer.js";
import { Socket } from "./socket.js";

const newId = () =>
  crypto.randomUUID?.() ?? Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(16)).join("-");

class Chat {
  constructor(root) {
    this.root = root;
    this.log = root.querySelector("[data-log]");
    this.empty = root.querySelector("[data-empty]");
    this.status = root.querySelector("[data-status]");
    this.announcer = root.querySelector("[data-announce]");
    this.form = root.querySelector("[data-composer]");
    this.input = root.querySelector("[data-question]");
    this.sendButton = root.querySelector("[data-send]");
    this.stopButton = root.querySelector("[data-stop]");
    this.words = {};
    for (const [key, value] of Object.entries(root.dataset)) {
      if (key.startsWith("word")) this.words[key.slice(4).toLowerCase()] = value;
    }
    this.answers = new Map(); // turn → Answer
    this.waiting = null; // {id, text, element}: asked, and its turn has not begun
    for (const element of this.log.querySelectorAll("[data-turn]")) {
      const answer = new Answer(root, this.words, element);
      this.answers.set(answer.turn, answer);
    }
    this.listen();
    this.scrollDown();
    this.grow();
    if (root.dataset.socket) this.connect();
    this.update();
  }

  // --- The student -----------------------------------------------------------------------------
  listen() {
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask();
    });
    let composing = false;
    this.input.addEventListener("compositionstart", () => (composing = true));
    // Safari ends the composition before the Enter that ended it arrives.
    this.input.addEventListener("compositionend", () => setTimeout(() => (composing = false)));
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.shiftKey) return;
      if (composing || event.isComposing || event.keyCode === 229) return;
      event.preventDefault();
      this.ask();
    });
    this.input.addEventListener("input", () => this.grow());
    this.stopButton.addEventListener("click", () => {
      if (!this.socket?.send({ type: "stop" })) return;
      this.stopButton.disabled = true;
      this.running?.say(this.words.stopping);
    });
    const newButton = document.querySelector("[data-chat-new]");
    newButton?.addEventListener("click", () => this.startOver(newButton));
  }

  async ask() {
    const text = this.input.value.trim();
    if (!text || this.waiting || this.running) return;
    const element = newQuestion(this.root, text);
    this.waiting = { id: newId(), text, element };
    this.input.value = "";
    this.grow();
    this.empty.hidden = true;
    this.log.append(element);
    this.scrollDown();
    this.say("");
    this.update();
    if (this.socket) {
      if (this.isReady) this.sendWaiting(); // else it goes out when the socket is ready
    } else {
      try {
        await this.begin();
      } catch {
        this.takeBack(this.words.unsent);
      }
    }
  }

  // Make the conversation; the question goes out when its socket is ready.
  async begin() {
    this.say(this.words.connecting);
    const body = new FormData(this.form);
    body.delete("text");
    const response = await fetch(this.form.action, {
      method: "POST",
      body,
      headers: { Accept: "application/json" },
    });
    if (!response.ok || response.redirected) throw new Error(response.statusText);
    const conversation = await response.json();
    this.root.dataset.conversation = conversation.id;
    this.root.dataset.page = conversation.url;
    this.root.dataset.socket = conversation.socket;
    this.connect();
  }

  sendWaiting() {
    const { id, text } = this.waiting;
    this.socket.send({ type: "ask", id, text, chapter: this.root.dataset.chapter });
  }

  // The question was not taken: its words return to the composer.
  takeBack(reason) {
    const { text, element } = this.waiting;
    this.waiting = null;
    element.remove();
    this.input.value = this.input.value ? `${text}\n${this.input.value}` : text;
    this.grow();
    this.empty.hidden = this.log.querySelector("article") !== null;
    this.say(reason);
    this.update();
  }

  startOver(button) {
    this.socket?.close();
    this.socket = null;
    this.waiting = null;
    this.answers.clear();
    for (const element of this.log.querySelectorAll("article")) element.remove();
    Object.assign(this.root.dataset, { socket: "", conversation: "", page: "" });
    this.empty.hidden = false;
    button.hidden = true;
    this.say("");
    this.update();
    this.input.focus();
  }

  // --- The server ------------------------------------------------------------------------------
  connect() {
    const newButton = document.querySelector("[data-chat-new]");
    if (newButton) newButton.hidden = false;
    this.socket = new Socket(this.root.dataset.socket, {
      frame: (frame) => this.receive(frame),
      lost: () => {
        if (this.running || this.waiting) this.say(this.words.reconnecting);
        this.isReady = false;
        this.update();
      },
      refused: (code) => {
        const reason = code === 4401 ? this.words.login : this.words.gone;
        if (this.waiting) this.takeBack(reason);
        this.say(reason);
        this.socket = null;
        this.isRefused = true;
        this.update();
      },
    });
  }

  receive(frame) {
    const wasAtBottom = this.isAtBottom();
    switch (frame.type) {
      case "ready":
        this.ready(frame.turn);
        break;
      case "turn.started":
        this.started(frame.turn, frame.ask);
        break;
      case "turn.sources":
        this.answers.get(frame.turn)?.cite(frame.sources, frame.weak);
        break;
      case "turn.delta": {
        const answer = this.answers.get(frame.turn);
        if (this.isResuming) break; // the snapshot that is on its way holds this too
        if (!answer?.add(frame)) this.resume();
        break;
      }
      case "turn.snapshot":
        this.isResuming = false;
        this.started(frame.turn, frame.ask);
        this.answers.get(frame.turn).replace(frame);
        if (frame.status !== "running") this.announce(this.answers.get(frame.turn));
        break;
      case "turn.finished":
        this.finished(frame);
        break;
      case "turn.rejected":
        if (frame.ask === this.waiting?.id) {
          this.takeBack(frame.message || this.words.rejected);
        }
        break;
      case "error":
        if (this.waiting) this.takeBack(frame.message || this.words.rejected);
        else this.say(frame.message);
        break;
    }
    this.update();
    if (wasAtBottom) this.scrollDown();
  }

  ready(turn) {
    this.isReady = true;
    this.isResuming = false;
    this.say("");
    if (turn) this.receive({ ...turn, type: "turn.snapshot" });
    // It ended while nobody listened here.
    if (this.running && this.running.turn !== turn?.turn) this.resume();
    if (this.waiting) this.sendWaiting();
  }

  resume() {
    this.isResuming = this.socket?.send({ type: "resume" }) ?? false;
  }

  started(turn, ask) {
    if (this.answers.has(turn)) return;
    this.isResuming = false;
    const answer = new Answer(this.root, this.words);
    answer.begin(turn);
    this.answers.set(turn, answer);
    this.empty.hidden = true;
    this.log.append(answer.element);
    if (ask !== undefined && ask === this.waiting?.id) {
      this.waiting = null;
      this.say("");
    } else {
      this.fetchQuestion(answer);
    }
  }

  // Asked in another tab: the server's page knows the words.
  async fetchQuestion(answer) {
    const response = await fetch(this.root.dataset.page);
    if (!response.ok) return;
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const element = page.querySelector(`[data-turn="${answer.turn}"]`)?.previousElementSibling;
    const known = element && this.log.querySelector(`[data-message="${element.dataset.message}"]`);
    if (element?.matches("[data-message]") && !known) {
      answer.element.before(document.importNode(element, true));
    }
  }

  finished({ turn, status, length, message }) {
    const answer = this.answers.get(turn);
    if (!answer) return;
    if (answer.length !== length) {
      this.resume(); // the last piece is missing
      return;
    }
    answer.finish(status, message);
    this.announce(answer);
  }

  // --- What the page says ----------------------------------------------------------------------
  get running() {
    for (const answer of this.answers.values()) if (answer.isRunning) return answer;
    return null;
  }

  update() {
    const isBusy = Boolean(this.running || this.waiting);
    this.sendButton.hidden = isBusy;
    this.sendButton.disabled = Boolean(this.isRefused);
    this.stopButton.hidden = !isBusy;
    this.stopButton.disabled = !this.running || !this.isReady;
    this.log.setAttribute("aria-busy", String(isBusy));
  }

  say(words) {
    this.status.textContent = words;
    this.status.hidden = !words;
    if (words) this.announcer.textContent = words;
  }

  announce(answer) {
    this.announcer.textContent = answer.spokenText;
  }

  isAtBottom() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 48;
  }

  scrollDown() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  grow() {
    const lines = this.input.value.split("\n").length + Math.floor(this.input.value.length / 60);
    this.input.rows = Math.min(Math.max(lines, 1), 6);
  }
}

for (const root of document.querySelectorAll("[data-chat]")) new Chat(root);
