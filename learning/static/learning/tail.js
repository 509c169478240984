// The last words of an answer that is being written, as plain text until their HTML comes.
//
// Only what surely will look the same as HTML is shown: letters that go on with the last
// paragraph, list item or code. Where Markdown or a formula may begin or end, the HTML is awaited.

const SPECIAL = String.raw`*_\x60\[\]$\\|#<>~&\p{Cc}\u202A-\u202E\u2066-\u2069`;
const STOP = new RegExp(`!?[${SPECIAL}]|!$`, "u");
const ENDS_SPECIAL = new RegExp(`[${SPECIAL}]$`, "u");
// A line of which one cannot say yet what it is: empty, or the beginning of a list, a quotation…
const UNDECIDED = /^(?:[\s>]|[-+*]\s|\d{1,9}[.)]\s)*(?:[-+*=#]+|\d{1,9}[.)]?)?\s*$/;
const OPEN = /\]\([^)]*$|<[^>]*$|&[^;\s]*$/; // a link, a tag, an entity
const FENCE = /^([ \t>]*(?:(?:[-+*]|\d{1,9}[.)])[ \t]+)*)(`{3,}|~{3,})([^\n]*)$/gm;
const FENCE_BEGINS = /\n[ \t]*(?:[`~]|$)/;
const HOLDS = "p, ul, ol, li, blockquote, pre, pre > code";

const lineAt = (text, end) => text.slice(text.slice(0, end).lastIndexOf("\n") + 1, end);

// What of `text` after `from`, up to where its HTML reaches, may be shown in running text.
const readableWords = (text, from) => {
  const line = lineAt(text, from);
  // What begins the answer with a letter is a paragraph.
  const isDecided = from === 0 ? /^\p{L}/u.test(text) : !UNDECIDED.test(line);
  if (!isDecided || ENDS_SPECIAL.test(line)) return "";
  const shown = text.slice(0, from);
  if (OPEN.test(shown.slice(shown.lastIndexOf("\n\n") + 1))) return "";
  const rest = text.slice(from);
  const end = rest.search(STOP);
  const words = end < 0 ? rest : rest.slice(0, end);
  return words && /[ \t]*$/.exec(line)[0] + words; // HTML drops the blanks at its end
};

const openFence = (text) => {
  let open = null;
  for (const [, indent, mark, rest] of text.matchAll(FENCE)) {
    if (!open) open = { indent, mark };
    else if (mark.startsWith(open.mark) && !rest.trim()) open = null;
  }
  return open;
};

const readableCode = (text, from) => {
  const fence = openFence(text.slice(0, from));
  const line = lineAt(text, from);
  const rest = text.slice(from);
  if (!fence || /^[ \t>]*[`~]/.test(line + rest)) return "";
  if (fence.indent && !line.trim()) return ""; // HTML drops the indentation
  const end = fence.indent ? rest.indexOf("\n") : rest.search(FENCE_BEGINS);
  return end < 0 ? rest : rest.slice(0, end);
};

// The element in which the text goes on, or null.
const openEnd = (blocks) => {
  let element = blocks.lastElementChild;
  while (element && !element.matches("p, pre > code")) {
    const last = element.lastElementChild;
    if (!last?.matches(HOLDS) || last.nextSibling?.data?.trim()) break;
    element = last;
  }
  return element?.matches("p, li, pre > code") ? element : null;
};

export class Tail {
  constructor(blocks) {
    this.blocks = blocks;
    this.span = document.createElement("span");
    this.span.dataset.tail = "";
    this.first = document.createElement("div"); // a block, as long as there is none
    this.first.className = "block";
    this.first.append(document.createElement("p"));
  }

  // `text`: the whole answer so far; its HTML, on the page, reaches up to `rendered`.
  show(text, rendered) {
    const isFirst = rendered === 0 && (this.first.isConnected || !this.blocks.firstElementChild);
    const place = isFirst ? this.first.firstElementChild : openEnd(this.blocks);
    const words = place ? this.readable(place, text, rendered) : "";
    if (!words) return this.clear();
    if (this.span.textContent !== words) this.span.textContent = words;
    if (this.span.parentNode !== place) place.append(this.span);
    if (isFirst && !this.first.isConnected) this.blocks.append(this.first);
    return words;
  }

  readable(place, text, rendered) {
    if (place.querySelector(".math-pending")) return "";
    return place.matches("code") ? readableCode(text, rendered) : readableWords(text, rendered);
  }

  clear() {
    this.span.remove();
    this.first.remove();
    return "";
  }
}
