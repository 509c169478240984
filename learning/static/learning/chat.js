// The chat of a page: asks, shows what the websocket says, and survives a lost connection.
//
// Protocol: CONTRACT, "Websocket". A question keeps its id until its turn has begun, so sending it
// again after a break starts nothing twice.

import { Answer, newQuestion } from "./answer.js";
import { Socket } from "./socket.js";
import { isTouched, markScrolling } from "./screen.js";

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
    this.input.value ||= this.draft;
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
    this.input.addEventListener("input", () => {
      this.grow();
      this.keepDraft();
    });
    this.stopButton.addEventListener("click", () => this.stop());
    const newButton = document.querySelector("[data-chat-new]");
    newButton?.addEventListener("click", () => this.startOver(newButton));
    this.log.addEventListener("click", (event) => this.citationClicked(event));
    this.log.addEventListener("toggle", this.sourcesToggled, true); // `toggle` does not bubble
  }

  async ask() {
    const text = this.input.value.trim();
    if (!text || this.waiting || this.running || this.isRefused) return;
    const element = newQuestion(this.root, text);
    this.waiting = { id: newId(), text, element };
    this.input.value = "";
    this.grow();
    this.keepDraft();
    this.empty.hidden = true;
    this.log.append(element);
    this.scrollDown();
    this.say(this.isReady ? this.words.searching : this.words.connecting);
    this.update();
    if (isTouched) this.input.blur(); // the keyboard would lie over the answer
    if (this.socket) {
      if (this.isReady) this.sendWaiting(); // else it goes out when the socket is ready
    } else {
      const { waiting } = this;
      const problem = await this.begin();
      if (problem && this.waiting === waiting) this.takeBack(problem);
    }
  }

  // Make the conversation; the question goes out when its socket is ready. Returns what went wrong.
  async begin() {
    const body = new FormData(this.form);
    body.delete("text");
    // Logging in, in another tab, changes the token that the page was given.
    const token = /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie);
    if (token) body.set("csrfmiddlewaretoken", token[1]);
    try {
      const headers = { Accept: "application/json" };
      const response = await fetch(this.form.action, { method: "POST", body, headers });
      const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
      if (response.redirected || (response.status === 403 && !isJson)) return this.words.login;
      const reply = await response.json();
      if (!response.ok) return reply.message || this.words.unsent;
      this.root.dataset.conversation = reply.id;
      this.root.dataset.page = reply.url;
      this.root.dataset.socket = reply.socket;
    } catch {
      return this.words.unsent;
    }
    this.connect();
    return null;
  }

  sendWaiting() {
    const { id, text } = this.waiting;
    const chapter = this.root.dataset.chapter;
    this.socket.send({ type: "ask", id, text, chapter }, { hasReply: true });
  }

  stop() {
    if (this.waiting && !this.isReady) {
      this.takeBack("");
      return;
    }
    this.wantsStop = true;
    this.running?.say(this.words.stopping);
    this.sendStop();
    this.update();
  }

  sendStop() {
    if (this.isReady) this.socket.send({ type: "stop" }, { hasReply: this.running !== null });
  }

  // The question was not taken: its words return to the composer.
  takeBack(reason) {
    const { text, element } = this.waiting;
    this.waiting = null;
    element.remove();
    this.input.value = this.input.value ? `${text}\n${this.input.value}` : text;
    this.grow();
    this.keepDraft();
    this.empty.hidden = this.log.querySelector("article") !== null;
    this.say(reason);
    this.update();
  }

  startOver(button) {
    if (this.waiting) this.takeBack("");
    this.socket?.close();
    this.socket = null;
    this.isReady = this.wasReady = this.isRefused = false;
    this.answers.clear();
    for (const element of this.log.querySelectorAll("article, [data-earlier]")) element.remove();
    Object.assign(this.root.dataset, { socket: "", conversation: "", page: "" });
    const address = new URL(location);
    address.searchParams.delete("conversation");
    history.replaceState(null, "", address);
    this.empty.hidden = false;
    button.hidden = true;
    this.say("");
    this.update();
    this.input.focus();
  }

  // The conversation goes along to the chapter that is cited.
  citationClicked(event) {
    const link = event.target.closest("a.cite, a[data-cite]");
    if (!link?.getAttribute("href") || !this.root.dataset.conversation) return;
    const address = new URL(link.href);
    if (address.origin !== location.origin || !address.searchParams.has("passage")) return;
    address.searchParams.set("conversation", this.root.dataset.conversation);
    link.href = address;
  }

  sourcesToggled({ target }) {
    if (target.open) markScrolling(target);
    if (target.open) target.scrollIntoView({ block: "nearest" });
  }

  // A question that was not asked yet outlives a reload and a log-in in between.
  get draft() {
    return sessionStorage.getItem(this.draftKey) ?? "";
  }

  set draft(text) {
    if (text) sessionStorage.setItem(this.draftKey, text);
    else sessionStorage.removeItem(this.draftKey);
  }

  get draftKey() {
    return `question ${this.root.dataset.reader} ${location.pathname}`;
  }

  keepDraft() {
    this.draft = [this.waiting?.text, this.input.value].filter(Boolean).join("\n");
  }

  // --- The server ------------------------------------------------------------------------------
  connect() {
    const newButton = document.querySelector("[data-chat-new]");
    if (newButton) newButton.hidden = false;
    this.socket = new Socket(this.root.dataset.socket, {
      frame: (frame) => this.receive(frame),
      lost: () => {
        this.isReady = false;
        if (this.running || this.waiting) this.say(this.words.reconnecting);
        this.update();
      },
      refused: (code) => {
        const reason = code === 4401 ? this.words.login : this.words.gone;
        this.socket = null;
        this.isReady = false;
        this.isRefused = true;
        if (this.waiting) this.takeBack(reason);
        this.running?.finish("interrupted", reason);
        this.say(reason);
        this.update();
      },
      seen: () => {
        if (this.running) this.resume();
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
        this.started(frame.turn, frame.ask, frame.question);
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
        this.shown(frame);
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
    this.say(this.waiting ? this.words.searching : "");
    if (turn) this.receive({ ...turn, type: "turn.snapshot" });
    // What was asked or ended while nobody listened here.
    else if (this.wasReady || this.running) this.resume();
    this.wasReady = true;
    if (this.waiting) this.sendWaiting();
    if (this.wantsStop && this.running) this.sendStop();
  }

  resume() {
    const hasReply = this.running !== null;
    this.isResuming = this.socket?.send({ type: "resume" }, { hasReply }) ?? false;
  }

  // `question` is known of a turn that begins now; what came before it, only the page knows.
  started(turn, ask, question) {
    if (this.answers.has(turn)) return;
    this.isResuming = false;
    const answer = new Answer(this.root, this.words);
    answer.begin(turn);
    this.answers.set(turn, answer);
    this.empty.hidden = true;
    if (ask !== undefined && ask === this.waiting?.id) {
      this.log.append(answer.element);
      this.waiting = null;
      this.keepDraft();
      this.say("");
      if (this.wantsStop) answer.say(this.words.stopping);
    } else {
      const place = this.waiting?.element ?? null;
      if (question !== undefined) this.log.insertBefore(newQuestion(this.root, question), place);
      this.log.insertBefore(answer.element, place);
      if (question === undefined) this.catchUp();
    }
  }

  // A snapshot: of a turn that runs, or of the last one.
  shown(frame) {
    this.started(frame.turn, frame.ask);
    const answer = this.answers.get(frame.turn);
    if (answer.isRunning) {
      answer.replace(frame);
      if (this.wantsStop && answer.isRunning) answer.say(this.words.stopping);
      if (!answer.isRunning) this.announce(answer);
    }
    // An older one ended unheard, and others were asked since.
    if (this.running && this.running !== answer) this.catchUp();
  }

  // What was asked in other tabs, and what this one missed: the server's page has it all.
  async catchUp() {
    const { page: address } = this.root.dataset;
    let page;
    try {
      const response = await fetch(address);
      if (!response.ok || response.redirected) return;
      page = new DOMParser().parseFromString(await response.text(), "text/html");
    } catch {
      return; // the connection is gone again, and its return comes here again
    }
    if (address !== this.root.dataset.page) return;
    const wasAtBottom = this.isAtBottom();
    let last = null;
    for (const theirs of page.querySelectorAll("[data-log] > [data-turn]")) {
      last = this.merge(theirs, last);
    }
    this.update();
    if (wasAtBottom) this.scrollDown();
  }

  // Take an answer of the server's page and its question where they are missing here, or where the
  // end of the answer is. Returns the element after which the next one belongs.
  merge(theirs, last) {
    const { turn, state } = theirs.dataset;
    const question = theirs.previousElementSibling;
    const mine = this.answers.get(turn);
    const element = document.importNode(theirs, true);
    if (!mine) {
      if (last) last.after(element);
      else this.empty.after(element);
    } else if (mine.isRunning && state !== "running") {
      mine.element.replaceWith(element);
    } else {
      element.remove();
    }
    const place = element.isConnected ? element : mine.element;
    if (element.isConnected) this.answers.set(turn, new Answer(this.root, this.words, element));
    if (!place.previousElementSibling?.matches(".question") && question?.matches(".question")) {
      place.before(document.importNode(question, true));
    }
    return place;
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
    if (!isBusy) this.wantsStop = false;
    // Whoever pressed a button that goes is not left without a place on the page; but a touch
    // does not call the keyboard up.
    const loses = isBusy ? this.sendButton : this.stopButton;
    const { activeElement: active } = document;
    const isLost = active === loses || (this.wantsStop && active === this.stopButton);
    const takesFocus = isLost && (!isTouched || active.matches(":focus-visible"));
    this.sendButton.hidden = isBusy;
    this.sendButton.disabled = Boolean(this.isRefused);
    this.stopButton.hidden = !isBusy;
    this.stopButton.disabled = Boolean(this.wantsStop);
    if (takesFocus) this.input.focus();
    this.log.setAttribute("aria-busy", String(isBusy));
  }

  say(words) {
    this.status.textContent = words;
    this.status.hidden = !words;
    if (words) this.announcer.textContent = words;
  }

  announce(answer) {
    markScrolling(answer.element);
    this.announcer.textContent = answer.spokenText;
  }

  isAtBottom() {
    return this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 48;
  }

  scrollDown() {
    this.log.scrollTop = this.log.scrollHeight;
  }

  grow() {
    this.input.style.height = "auto";
    if (this.input.scrollHeight > this.input.clientHeight) {
      const borders = this.input.offsetHeight - this.input.clientHeight;
      this.input.style.height = `${this.input.scrollHeight + borders}px`; // up to max-height
    }
  }
}

for (const root of document.querySelectorAll("[data-chat]")) new Chat(root);
