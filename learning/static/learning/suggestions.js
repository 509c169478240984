// Questions to begin with, and questions that lead on from the last answer. They fill the field
// below and are not sent: the student speaks first.

const LATE = 15_000; // milliseconds

const fetchSuggestions = async (address) => {
  try {
    const response = await fetch(address, {
      headers: { Accept: "application/json" },
      signal: AbortSignal.timeout(LATE),
    });
    return response.ok && !response.redirected ? await response.json() : null;
  } catch {
    return null; // they are an offer: without a connection there is none
  }
};

const buttonOf = (question, language) => {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "suggestion";
  button.lang = language;
  button.textContent = question;
  return button;
};

export class Suggestions {
  // `on` has the function propose(text, button).
  constructor(root, log, on) {
    Object.assign(this, { root, log, on });
    this.asked = new WeakSet(); // the boxes that were filled, or are being filled
    log.element.addEventListener("click", ({ target }) => {
      const button = target.closest(".suggestion");
      if (button) on.propose(button.textContent, button);
    });
  }

  // Called with each frame: mostly there is nothing to do.
  update() {
    if (!this.log.empty.hidden) {
      const { starters, chapter } = this.root.dataset;
      this.fill(this.log.empty, `${starters}?${new URLSearchParams(chapter ? { chapter } : {})}`);
      return;
    }
    const answer = this.log.answers.get(this.log.lastTurn);
    if (answer?.state !== "complete" || !this.root.dataset.page) return;
    const query = new URLSearchParams({ turn: answer.turn });
    this.fill(answer.element, `${this.root.dataset.page}suggestions/?${query}`);
  }

  async fill(place, address) {
    const box = place.querySelector("[data-suggestions]");
    if (this.asked.has(box)) return;
    this.asked.add(box);
    const found = await fetchSuggestions(address);
    if (!found?.suggestions.length) return;
    box.replaceChildren(...found.suggestions.map((one) => buttonOf(one, found.language)));
    box.hidden = false;
    this.log.follow();
  }
}
