// The log of a chat: its questions and answers in order.

import { Answer, newQuestion } from "./answer.js";
import { addCopyButtons } from "./copying.js";
import { copyFeedback } from "./feedback.js";
import { markScrolling } from "./screen.js";
import { Scrolling } from "./scrolling.js";
import { nameAfter } from "./title.js";
import { copyVersions } from "./versions.js";

export class Log {
  constructor(root, words) {
    this.root = root;
    this.words = words;
    this.element = root.querySelector("[data-log]");
    this.empty = root.querySelector("[data-empty]");
    this.answers = new Map(); // turn → Answer, in the order of the page
    this.readAnswers();
    this.scrolling = new Scrolling(root, this.element);
    this.element.addEventListener("click", (event) => this.citationClicked(event));
    this.element.addEventListener("toggle", sourcesToggled, true); // `toggle` does not bubble
  }

  get running() {
    for (const answer of this.answers.values()) if (answer.isRunning) return answer;
    return null;
  }

  get lastTurn() {
    return [...this.answers.keys()].at(-1) ?? null;
  }

  turnOf(question) {
    return question.nextElementSibling?.dataset.turn ?? null;
  }

  readAnswers() {
    const known = this.answers;
    this.answers = new Map();
    for (const element of this.element.querySelectorAll("[data-turn]")) {
      const { turn } = element.dataset;
      const mine = known.get(turn);
      const answer = mine?.element === element ? mine : new Answer(this.root, this.words, element);
      this.answers.set(turn, answer);
      addCopyButtons(this.root, element);
    }
    this.isLocked = null; // what is new does not know yet
    this.empty.hidden = this.element.querySelector("article") !== null;
  }

  // A question that is asked here stands in the log before its turn has begun.
  addQuestion(text) {
    const element = newQuestion(this.root, text);
    this.element.append(element);
    this.empty.hidden = true;
    this.isLocked = null;
    return element;
  }

  // `asked`: the question's element where it stands here already; it goes before the `waiting` one.
  addTurn(turn, { question, asked, waiting, versions }) {
    const answer = new Answer(this.root, this.words);
    answer.begin(turn, versions);
    if (asked) {
      asked.after(answer.element);
    } else {
      if (question !== undefined) this.element.insertBefore(newQuestion(this.root, question), waiting);
      this.element.insertBefore(answer.element, waiting);
    }
    this.answers.set(turn, answer);
    nameAfter(question);
    this.empty.hidden = true;
    this.isLocked = null;
    return answer;
  }

  // Take away what follows a turn (null: everything), but for `kept`. Returns false where the turn
  // is not here.
  removeAfter(turn, kept) {
    const last = turn === null ? null : this.answers.get(turn);
    if (last === undefined) return false;
    if (!last) this.element.querySelector("[data-earlier]")?.remove();
    const articles = [...this.element.querySelectorAll(":scope > article")];
    for (const article of articles.slice(last ? articles.indexOf(last.element) + 1 : 0)) {
      if (article !== kept) article.remove();
    }
    this.readAnswers();
    return true;
  }

  clear() {
    for (const element of this.element.querySelectorAll("article, [data-earlier]")) element.remove();
    this.readAnswers();
  }

  // Show what the server's page shows. What stands here already stays the element it is, but for an
  // answer whose end is there. `waiting` stays last.
  adopt(page, waiting) {
    const articles = [...page.querySelectorAll("[data-log] > article")].map((theirs) =>
      this.mineOf(theirs) ?? document.importNode(theirs, true),
    );
    const kept = new Set(articles);
    for (const article of this.element.querySelectorAll(":scope > article")) {
      if (!kept.has(article) && article !== waiting) article.remove();
    }
    let last = this.empty;
    for (const article of articles) {
      if (last.nextElementSibling !== article) last.after(article);
      last = article;
    }
    const earlier = page.querySelector("[data-log] > [data-earlier]");
    this.element.querySelector("[data-earlier]")?.remove();
    if (earlier) this.element.prepend(document.importNode(earlier, true));
    this.readAnswers();
    markScrolling(this.element);
    this.follow();
  }

  mineOf(theirs) {
    if (theirs.matches(".question")) {
      const turn = this.turnOf(theirs);
      const mine = turn && this.answers.get(turn)?.element.previousElementSibling;
      return mine?.matches(".question") ? mine : null;
    }
    const mine = this.answers.get(theirs.dataset.turn);
    if (!mine || (mine.isRunning && theirs.dataset.state !== "running")) return null;
    copyVersions(theirs, mine.element);
    copyFeedback(theirs, mine.element);
    return mine.element;
  }

  // While an answer is being written, there is nothing to ask again or to leaf through.
  lock(isLocked) {
    if (this.isLocked === isLocked) return; // this is asked for each frame
    this.isLocked = isLocked;
    const buttons = "[data-edit], [data-again], [data-versions] [data-step]";
    for (const button of this.element.querySelectorAll(buttons)) {
      button.disabled = isLocked || (button.hasAttribute("data-step") && !button.value);
    }
    this.element.setAttribute("aria-busy", String(isLocked));
  }

  follow(how) {
    this.scrolling.follow(how);
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
}

const sourcesToggled = ({ target }) => {
  if (!target.open) return;
  markScrolling(target);
  target.scrollIntoView({ block: "nearest" });
};
