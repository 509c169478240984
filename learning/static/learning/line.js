// What the server says about a conversation, and what it means for the page: nothing is lost,
// nothing is shown twice, whatever happens to the connection.
//
// Protocol: CONTRACT, "Websocket". A question keeps its id until its turn has begun, so sending it
// again after a break starts nothing twice.

import { fetchPage } from "./requests.js";
import { Socket } from "./socket.js";
import { showVersions } from "./versions.js";

const RESUME_PATIENCE = 5_000; // then a snapshot is asked for again

export class Line {
  constructor(chat) {
    Object.assign(this, { chat, log: chat.log, composer: chat.composer, root: chat.root });
    this.socket = null;
    this.turnsBegun = 0;
    this.reset();
  }

  reset() {
    this.isReady = this.wasReady = this.isRefused = false;
    this.resumedAt = null; // while a snapshot is on its way
  }

  get isLost() {
    return this.wasReady && !this.isReady && !this.isRefused;
  }

  connect() {
    this.socket = new Socket(this.root.dataset.socket, {
      frame: (frame) => this.receive(frame),
      lost: () => {
        this.isReady = false;
        this.resumedAt = null;
        if (this.chat.waiting) this.chat.say(this.chat.words.reconnecting);
        this.chat.update();
      },
      refused: (code) => this.refused(this.chat.words[code === 4401 ? "login" : "gone"]),
      doubted: () => this.resume(),
    });
  }

  close() {
    this.socket?.close();
    this.socket = null;
    this.reset();
  }

  send(frame, options) {
    return this.socket?.send(frame, options) ?? false;
  }

  refused(reason) {
    this.socket = null;
    this.isReady = false;
    this.isRefused = true;
    if (this.chat.waiting) this.chat.takeBack("");
    this.log.running?.finish("unknown", ""); // it may go on, but not before these eyes
    this.chat.say(reason);
    this.chat.update();
  }

  receive(frame) {
    const { chat, composer, log } = this;
    switch (frame.type) {
      case "ready":
        composer.showNotice(frame.notice);
        composer.showLeft(frame.left);
        this.ready(frame.turn);
        break;
      case "turn.started":
        composer.showLeft(frame.left);
        this.started(frame);
        break;
      case "turn.queued":
        log.answers.get(frame.turn)?.queued(frame.ahead);
        break;
      case "turn.sources":
        log.answers.get(frame.turn)?.cite(frame.sources, frame.weak);
        break;
      case "turn.delta":
        this.added(frame);
        break;
      case "turn.snapshot":
        this.resumedAt = null;
        this.shown(frame);
        break;
      case "turn.finished":
        composer.showLeft(frame.left);
        this.finished(frame);
        break;
      case "turn.rejected":
        if (frame.ask === chat.waiting?.id) chat.takeBack(frame.message || chat.words.rejected);
        break;
      case "notice":
        composer.showNotice(frame.message);
        break;
      case "conversation.changed":
        this.catchUp();
        break;
      case "error":
        if (chat.waiting) chat.takeBack(frame.message || chat.words.rejected);
        else chat.say(frame.message);
        break;
    }
    if (this.socket) this.socket.isListening = log.running !== null;
    chat.update();
    log.follow();
  }

  ready(turn) {
    const { chat, log } = this;
    this.isReady = true;
    this.resumedAt = null;
    chat.say(chat.waiting ? chat.words.searching : "");
    if (turn) this.shown(turn);
    // What was asked or ended while nobody listened here.
    else if (this.wasReady || log.running) this.resume();
    this.wasReady = true;
    if (chat.waiting) chat.sendWaiting();
    if (chat.wantsStop && log.running) chat.sendStop();
  }

  resume() {
    const hasReply = this.log.lastTurn !== null; // else there may be nothing to say
    this.resumedAt = this.send({ type: "resume" }, { hasReply }) ? Date.now() : null;
  }

  // `question`, `after` and `versions` are told of a turn that begins; else only the page knows.
  started({ turn, ask, question, after, versions }) {
    const { chat, log } = this;
    if (log.answers.has(turn)) return;
    this.turnsBegun += 1;
    this.resumedAt = null;
    const { waiting } = chat;
    const isMine = ask !== undefined && ask === waiting?.id;
    const isComplete =
      after === undefined
        ? isMine || question !== undefined
        : log.removeAfter(after, waiting?.element);
    if (isMine) chat.settle();
    chat.saveEdits();
    log.addTurn(turn, {
      question: isMine ? waiting.text : question,
      asked: isMine ? waiting.element : null,
      waiting: isMine ? null : waiting?.element,
      versions,
    });
    if (!isComplete) this.catchUp();
  }

  added(frame) {
    if (this.log.answers.get(frame.turn)?.add(frame)) return;
    // The snapshot that is on its way holds what is missing, unless it was lost too.
    if (this.resumedAt === null || Date.now() - this.resumedAt > RESUME_PATIENCE) this.resume();
  }

  // A snapshot: of a turn that runs, or of the last one.
  shown(frame) {
    const { log } = this;
    this.started(frame);
    const answer = log.answers.get(frame.turn);
    if (answer.isRunning) {
      answer.replace(frame);
      if (!answer.isRunning) this.chat.announce(answer);
    } else if (frame.versions) {
      showVersions(answer.element, frame.versions, this.chat.words);
    }
    // An older one ended unheard, or another branch is shown now.
    const isAstray = log.lastTurn !== frame.turn || (log.running && log.running !== answer);
    if (isAstray) this.catchUp();
  }

  finished({ turn, status, length, message }) {
    const answer = this.log.answers.get(turn);
    if (answer && !answer.isRunning) return;
    if (!answer?.isWhole(length)) {
      this.resume(); // the last piece is missing
      return;
    }
    answer.finish(status, message);
    this.chat.announce(answer);
  }

  // What was asked in other tabs, and what this one missed: the server's page has it all.
  async catchUp() {
    const { page: address } = this.root.dataset;
    const { turnsBegun } = this;
    const hasAll = this.log.element.querySelector("[data-earlier]") === null;
    const page = await fetchPage(hasAll ? `${address}?all=1` : address);
    // Without a connection, its return comes here again.
    if (!page || address !== this.root.dataset.page) return;
    if (turnsBegun === this.turnsBegun) this.adopt(page);
    else this.catchUp(); // a turn began in the meantime
  }

  adopt(page) {
    this.log.adopt(page, this.chat.waiting?.element);
    this.chat.saveEdits();
    if (this.log.running?.length === null) this.resume();
    this.chat.update();
  }
}
