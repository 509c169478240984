// The thumbs under an answer, and what may be said after a thumb down.
//
// The server writes them as forms that work without scripts; here the page stays where it is.

const LATE = 15_000; // milliseconds

const csrfToken = (form) =>
  // Logging in, in another tab, changes the token that the page was given.
  /(?:^|; )csrftoken=([^;]+)/.exec(document.cookie)?.[1] ?? form.elements.csrfmiddlewaretoken.value;

const thumbs = (article) => [...article.querySelectorAll("[data-thumb]")];

const valueOf = (article) =>
  thumbs(article).find((one) => one.getAttribute("aria-pressed") === "true")?.dataset.thumb ?? "none";

// `isOpened`: with the form, for who has just said that the answer did not help.
const show = (article, value, { isOpened = false } = {}) => {
  for (const thumb of thumbs(article)) {
    const isPressed = thumb.dataset.thumb === value;
    thumb.setAttribute("aria-pressed", String(isPressed));
    thumb.value = isPressed ? "none" : thumb.dataset.thumb;
  }
  const why = article.querySelector("[data-why]");
  why.hidden = value !== "down";
  why.open = isOpened;
};

const fillIn = (article, { reason, comment }) => {
  const { elements } = article.querySelector("[data-why] form");
  for (const radio of [...elements].filter((one) => one.name === "reason")) {
    radio.checked = radio.value === reason;
  }
  elements.comment.value = comment;
};

// Take over what the server's page says, where nothing is being written here.
export const copyFeedback = (theirs, mine) => {
  const why = mine.querySelector("[data-why]");
  if (why.open || mine.dataset.judging !== undefined) return;
  show(mine, valueOf(theirs));
  const { reason, comment } = Object.fromEntries(new FormData(theirs.querySelector("[data-why] form")));
  fillIn(mine, { reason: reason ?? "", comment });
};

const send = async (address, form, said) => {
  const response = await fetch(address, {
    method: "POST",
    headers: {
      Accept: "application/json",
      "Content-Type": "application/json",
      "X-CSRFToken": csrfToken(form),
    },
    body: JSON.stringify(said),
    signal: AbortSignal.timeout(LATE),
  });
  if (!response.ok || response.redirected) throw new Error("not kept");
  return response.json();
};

export class Feedback {
  // `on` has the functions say(words), for the ears, and fail(words), for the eyes too.
  constructor(root, log, words, on) {
    Object.assign(this, { root, words, on });
    log.addEventListener("submit", (event) => this.submitted(event));
  }

  async submitted(event) {
    const { target: form, submitter } = event;
    if (!form.matches("[data-feedback]")) return;
    event.preventDefault();
    const article = form.closest("article");
    if (article.dataset.judging !== undefined) return;
    article.dataset.judging = "";
    const before = valueOf(article);
    const isThumb = submitter?.matches("[data-thumb]") ?? false;
    const said = { turn: article.dataset.turn, value: "down", reason: "", comment: "" };
    if (isThumb) {
      said.value = submitter.value;
      show(article, said.value, { isOpened: said.value === "down" });
    } else {
      Object.assign(said, Object.fromEntries([...new FormData(form)].filter(([name]) => name in said)));
      said.turn = article.dataset.turn;
    }
    try {
      const kept = await send(`${this.root.dataset.page}feedback/`, form, said);
      const isOpened = isThumb && kept.value === "down";
      // What was begun to be written while the thumb was on its way stays.
      if (!isOpened) fillIn(article, kept);
      if (!isThumb) show(article, kept.value);
      this.on.say(kept.value === "none" ? this.words.unsaid : this.words.judged);
      if (!isThumb) article.querySelector("[data-why] summary").focus();
    } catch {
      if (isThumb) show(article, before);
      this.on.fail(this.words.unjudged);
    } finally {
      delete article.dataset.judging;
    }
  }
}
