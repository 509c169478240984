// One answer on the page: its blocks, its sources, and how it stands.
//
// HTML is inserted only where the server rendered and cleaned it; everything else is text.

// Offsets of the protocol count code points; a JavaScript string counts UTF-16 units.
export const codePoints = (text) => {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
};

const clone = (root, name) =>
  root.querySelector(`template[data-${name}-template]`).content.firstElementChild.cloneNode(true);

export class Answer {
  // `element` is an article that the server wrote, or null for a new one.
  constructor(root, words, element = null) {
    this.root = root;
    this.words = words;
    this.element = element ?? clone(root, "answer");
    this.blocks = this.element.querySelector("[data-blocks]");
    this.length = null; // how much of the text is here; null: only the server knows
  }

  get turn() {
    return this.element.dataset.turn;
  }

  get isRunning() {
    return this.element.dataset.state === "running";
  }

  begin(turn) {
    this.element.dataset.turn = turn;
    this.length = 0;
    this.say(this.words.searching);
  }

  // Returns false when something before this piece is missing.
  add({ at, text, blocks }) {
    if (this.length === null || at > this.length) return false;
    const end = at + codePoints(text);
    if (end <= this.length && text) return true; // known already
    this.length = end;
    this.show(blocks);
    this.say(this.words.writing);
    return true;
  }

  replace({ turn, text, blocks, sources, weak, status, message }) {
    this.element.dataset.turn = turn;
    this.length = codePoints(text);
    this.blocks.replaceChildren();
    this.show(blocks);
    this.cite(sources, weak);
    if (status === "running") {
      this.element.dataset.state = "running";
      this.say(text ? this.words.writing : this.words.searching);
    } else {
      this.finish(status, message);
    }
  }

  show(blocks) {
    for (const { i, html } of blocks) {
      while (this.blocks.children.length <= i) {
        const block = document.createElement("div");
        block.className = "block";
        this.blocks.append(block);
      }
      this.blocks.children[i].innerHTML = html; // rendered and cleaned by learning/rendering
    }
    while (this.blocks.lastElementChild && !this.blocks.lastElementChild.innerHTML) {
      this.blocks.lastElementChild.remove();
    }
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
    this.element.querySelector("[data-count]").textContent = sources.length;
    this.element.querySelector("[data-sources]").hidden = sources.length === 0;
  }

  finish(status, message) {
    this.element.dataset.state = status;
    this.say(status === "complete" ? "" : message || this.words[status]);
  }

  say(words) {
    const line = this.element.querySelector("[data-turn-status]");
    if (line.textContent !== words) line.textContent = words;
    line.hidden = !words;
  }

  get spokenText() {
    const status = this.element.querySelector("[data-turn-status]");
    return `${this.blocks.innerText}\n${status.hidden ? "" : status.textContent}`.trim();
  }
}

export const newQuestion = (root, text) => {
  const element = clone(root, "question");
  element.querySelector("[data-body]").textContent = text;
  return element;
};
