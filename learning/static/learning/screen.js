// What depends on the screen: the keyboard of a phone, and boxes too wide for it.

export const isTouched = matchMedia("(pointer: coarse)").matches;

// A phone's keyboard lies over the page without making it smaller: site.css takes it off the height
// of what must stay in view.
const screen = window.visualViewport;
const fit = () => {
  const isZoomed = screen.scale !== 1;
  const covered = isZoomed ? 0 : window.innerHeight - screen.height - screen.offsetTop;
  document.documentElement.style.setProperty("--covered", `${Math.max(0, Math.round(covered))}px`);
};
screen?.addEventListener("resize", fit);
screen?.addEventListener("scroll", fit);

// The server lets every box that could scroll be reached with the keyboard; those that need not
// scroll here would be stops without a purpose.
export const markScrolling = (root) => {
  for (const box of root.querySelectorAll("pre, .table, .math-block, .formula, [data-quote]")) {
    const { scrollWidth, clientWidth, scrollHeight, clientHeight } = box;
    if (scrollWidth > clientWidth || scrollHeight > clientHeight) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
};
const markAll = () => markScrolling(document);
markAll();
window.addEventListener("resize", markAll);
document.fonts.ready.then(markAll);
