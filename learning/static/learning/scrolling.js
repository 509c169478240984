// Where the log stands. It follows the newest words until their question has come to the top: who
// reads begins at the beginning. From there on the reader goes, and a button leads to the end.

const NEAR_END = 48; // pixels
const ABOVE = 12; // pixels, over the question at the top

export class Scrolling {
  constructor(root, log) {
    this.log = log;
    this.button = root.querySelector("[data-to-end]");
    this.isFollowing = true; // until the reader scrolls up
    this.followsEnd = false; // the reader has gone past the question, to the end
    this.lastTop = 0;
    log.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.button.addEventListener("click", () => this.goToEnd());
    new ResizeObserver(() => this.follow()).observe(log);
    this.follow();
  }

  get end() {
    return this.log.scrollHeight - this.log.clientHeight;
  }

  get isAtEnd() {
    return this.end - this.log.scrollTop < NEAR_END;
  }

  // As far as it is followed: the end, or where the last question stands at the top.
  get place() {
    const question = [...this.log.querySelectorAll(":scope > .question")].at(-1);
    if (!question || this.followsEnd) return this.end;
    const distance = question.getBoundingClientRect().top - this.log.getBoundingClientRect().top;
    return Math.min(this.end, Math.max(0, this.log.scrollTop + distance - ABOVE));
  }

  scrolled() {
    const { scrollTop } = this.log;
    // What was added since the page was scrolled last is no way up.
    if (this.isAtEnd) {
      this.isFollowing = true;
      this.followsEnd = scrollTop > this.place + 1;
    } else if (scrollTop < this.lastTop) {
      this.isFollowing = this.followsEnd = false;
    }
    this.lastTop = scrollTop;
    this.button.hidden = this.isAtEnd;
  }

  goToEnd() {
    this.log.focus({ preventScroll: true }); // the button goes
    this.log.scrollTop = this.end;
  }

  // Keep the newest words in view, at most once for each picture the screen shows.
  follow({ always = false } = {}) {
    if (always) {
      this.isFollowing = this.mustGo = true;
      this.followsEnd = false;
    }
    if (this.picture) return;
    this.picture = requestAnimationFrame(() => {
      this.picture = null;
      const { place } = this;
      if (this.isFollowing && (this.mustGo || place > this.log.scrollTop)) this.log.scrollTop = place;
      this.mustGo = false;
      this.button.hidden = this.isAtEnd;
    });
  }
}
