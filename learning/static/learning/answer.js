// One answer on the page: its blocks, its sources, its versions, and how it stands.
//
// HTML is inserted only where the server rendered and cleaned it; everything else is text.

import { codePoints, unitsOf } from "./codepoints.js";
import { addCopyButtons } from "./copying.js";
import { Tail } from "./tail.js";
import { languageOf } from "./language.js";
import { showVersions } from "./versions.js";
import { counted } from "./words.js";

const clone = (root, name) =>
  root.querySelector(`template[data-${name}-template]`).content.firstElementChild.cloneNode(true);

export class Answer {
  // `element` is an article that the server wrote, or null for a new one.
  constructor(root, words, element = null) {
    this.root = root;
    this.words = words;
    this.element = element ?? clone(root, "answer");
    this.blocks = this.element.querySelector("[data-blocks]");
    this.status = this.element.querySelector("[data-turn-status]");
    this.tail = new Tail(this.blocks);
    this.html = []; // of each block, as the server sent it
    this.text = "";
    this.length = null; // of the text, in code points; null: only the server knows it
    this.rendered = 0; // how much of it the blocks show
    this.doing = this.status.textContent;
  }

  get turn() {
    return this.element.dataset.turn;
  }

  get state() {
    return this.element.dataset.state;
  }

  get isRunning() {
    return this.state === "running";
  }

  begin(turn, versions = []) {
    this.element.dataset.turn = turn;
    this.length = 0;
    this.doing = this.words.searching;
    showVersions(this.element, versions, this.words);
  }

  queued(ahead) {
    this.doing = ahead > 0 ? counted(this.words, "ahead", ahead) : this.words.next;
  }

  // Returns false when something before this piece is missing.
  add({ at, text, blocks }) {
    if (this.length === null || at > this.length) return false;
    const end = at + codePoints(text);
    if (end > this.length) {
      this.text += text.slice(unitsOf(text, this.length - at));
      this.length = end;
    }
    // HTML that comes late, or again, stands for less than what is known.
    if (blocks.length && end >= this.rendered) {
      this.rendered = end;
      this.show(blocks);
    }
    this.showTail();
    this.blocks.lang = languageOf(this.text, this.root.dataset.language);
    this.doing = this.words.writing;
    return true;
  }

  // Everything there is, from a snapshot.
  replace({ turn, text, blocks, sources, weak, status, message, versions }) {
    this.element.dataset.turn = turn;
    if (versions) showVersions(this.element, versions, this.words);
    this.cite(sources, weak);
    const isOlder = this.length !== null && text.length < this.text.length;
    // Made before the last pieces that came here, it would take letters away again.
    if (status !== "running" || !isOlder || !this.text.startsWith(text)) {
      this.text = text;
      this.length = this.rendered = codePoints(text);
      this.show(blocks);
      this.cut(blocks.length);
      this.tail.clear();
      this.blocks.lang = languageOf(text, this.root.dataset.language);
    }
    if (status === "running") {
      this.element.dataset.state = "running";
      this.doing = this.text ? this.words.writing : this.words[sources.length ? "thinking" : "searching"];
    } else {
      this.finish(status, message);
    }
  }

  show(blocks) {
    this.tail.clear();
    for (const { i, html } of blocks) {
      while (this.blocks.children.length <= i) {
        const block = document.createElement("div");
        block.className = "block";
        this.blocks.append(block);
      }
      if (this.html[i] === html) continue;
      this.html[i] = html;
      this.blocks.children[i].innerHTML = html; // rendered and cleaned by learning/rendering
    }
    let count = this.html.length;
    while (count > 0 && !this.html[count - 1]) count -= 1;
    this.cut(count);
  }

  cut(count) {
    this.html.length = count;
    while (this.blocks.children.length > count) this.blocks.lastElementChild.remove();
  }

  showTail() {
    if (this.rendered === this.length) this.tail.clear();
    else this.tail.show(this.text, unitsOf(this.text, this.rendered));
  }

  // Whether all of the text, of `length` code points, is here, and as HTML.
  isWhole(length) {
    const rest = this.text.slice(unitsOf(this.text, this.rendered));
    return this.length === length && !/[\p{L}\p{N}]/u.test(rest);
  }

  cite(sources, weak) {
    this.element.querySelector("[data-weak]").hidden = !weak;
    const items = sources.map((source) => {
      const item = clone(this.root, "source");
      item.value = source.n;
      item.dataset.n = source.n;
      const link = item.querySelector("[data-cite]");
      link.textContent = source.title;
      if (source.url) link.href = source.url;
      else link.removeAttribute("href");
      const quote = item.querySelector("[data-quote]");
      if (source.quote_html) quote.innerHTML = source.quote_html; // rendered and cleaned, like blocks
      else quote.textContent = source.quote;
      return item;
    });
    this.element.querySelector("[data-source-list]").replaceChildren(...items);
    this.element.querySelector("[data-sources]").hidden = sources.length === 0;
    this.sortSources();
    if (!this.text) this.doing = this.words.thinking;
  }

  // Those that the answer names stand first; the others are a click away.
  sortSources() {
    const named = new Set([...this.blocks.querySelectorAll(".cite")].map((cite) => cite.dataset.n));
    const [list, rest] = ["source", "rest"].map((name) =>
      this.element.querySelector(`[data-${name}-list]`),
    );
    const items = [...list.children];
    const others = this.isRunning || !named.size ? [] : items.filter((one) => !named.has(one.dataset.n));
    rest.replaceChildren(...others);
    rest.closest("[data-rest]").hidden = others.length === 0;
    this.element.querySelector("[data-rest-count]").textContent = others.length;
    this.element.querySelector("[data-count]").textContent = list.children.length;
  }

  finish(status, message) {
    this.tail.clear();
    this.element.dataset.state = status;
    // What is copied. Of an answer that stood on the page the server wrote it there.
    if (this.length !== null) this.blocks.dataset.markdown = this.text;
    addCopyButtons(this.root, this.element);
    this.sortSources();
    this.say(message || this.words[status] || "");
  }

  say(words) {
    if (this.status.textContent !== words) this.status.textContent = words;
    this.status.hidden = !words;
  }

  get spokenText() {
    const sign = this.element.querySelector("[data-weak]");
    const warning = sign.checkVisibility() ? sign.innerText : "";
    return [warning, this.blocks.innerText, this.status.textContent].join("\n").trim();
  }
}

export const newQuestion = (root, text) => {
  const element = clone(root, "question");
  element.querySelector("[data-body]").textContent = text;
  return element;
};
