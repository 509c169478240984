// "Copy": a whole answer as the Markdown it was written in, or one block of code.
//
// The buttons of code are added when an answer has ended: until then its blocks are written anew.

const SHOWN_FOR = 2_000; // milliseconds

// Where the page is not served over TLS, browsers have no clipboard but the old one.
const copyOldWay = (text) => {
  const before = document.activeElement;
  const field = document.createElement("textarea");
  field.value = text;
  field.readOnly = true;
  field.className = "visually-hidden";
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  before?.focus({ preventScroll: true });
  if (!isCopied) throw new Error("not copied");
};

const copy = async (text) => {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    copyOldWay(text);
  }
};

const textOf = (button) => {
  const code = button.closest(".copyable")?.querySelector("pre");
  if (code) return code.textContent.replace(/\n$/, "");
  const blocks = button.closest("article").querySelector("[data-blocks]");
  return blocks.dataset.markdown || blocks.innerText;
};

export const addCopyButtons = (root, article) => {
  if (article.dataset.state === "running") return;
  const template = root.querySelector("template[data-copy-template]");
  for (const code of article.querySelectorAll("[data-blocks] pre")) {
    if (code.parentElement.matches(".copyable")) continue;
    const box = document.createElement("div");
    box.className = "copyable";
    code.replaceWith(box);
    box.append(code, template.content.firstElementChild.cloneNode(true));
  }
};

export class Copying {
  // `on` has the functions say(words), for the ears, and fail(words), for the eyes too.
  constructor(log, words, on) {
    Object.assign(this, { words, on });
    log.addEventListener("click", (event) => this.clicked(event));
  }

  async clicked(event) {
    const button = event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await copy(textOf(button));
    } catch {
      this.on.fail(this.words.uncopied);
      return;
    }
    this.on.say(this.words.copied);
    button.dataset.says = this.words.copied;
    clearTimeout(button.timer);
    button.timer = setTimeout(() => (button.dataset.says = this.words.copy), SHOWN_FOR);
  }
}
