// The picture of a knowledge graph: zoom, move about, and go from concept to concept by keyboard.
// Without it the picture scrolls in its frame, and every concept is a link all the same.

const SMALLEST_LETTERS = 11 / 13; // pixels of the screen to a unit, below which nobody reads
const CLOSEST = 4;
const LARGEST_FIT = 1.3; // a picture of three concepts does not fill the screen
const ZOOM_STEP = 1.4;
const DRAG_PIXELS = 5; // less than that is a click

// What the frame shows outlasts the picture: the next one takes it over, in this page (from `shown`)
// or, where a concept opened a page of its own, from what the browser keeps.
let shown = null;
const key = () => {
  const address = new URL(location.href);
  address.searchParams.delete("concept");
  return `graph ${address.pathname}${address.search}`;
};
const keep = () => {
  try {
    sessionStorage.setItem(key(), JSON.stringify(shown));
  } catch {
    // A browser that keeps nothing shows the picture anew.
  }
};
const kept = () => {
  try {
    return JSON.parse(sessionStorage.getItem(key()));
  } catch {
    return null;
  }
};

const live = (svg) => {
  const whole = svg.viewBox.baseVal;
  const [width, height] = [whole.width, whole.height];
  const nodes = [...svg.querySelectorAll(".nodes a")].map((link) => ({
    link,
    x: Number(link.dataset.x),
    y: Number(link.dataset.y),
  }));
  const chosen = nodes.find(({ link }) => link.classList.contains("chosen"));

  // What the frame shows: its middle, and how many pixels a unit takes.
  const view = { x: width / 2, y: height / 2, scale: 1 };
  const frame = () => svg.getBoundingClientRect();
  const fitting = () => Math.min(frame().width / width, frame().height / height, LARGEST_FIT);

  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const show = () => {
    const { width: across, height: down } = frame();
    view.scale = clamp(view.scale, fitting(), CLOSEST);
    const [w, h] = [across / view.scale, down / view.scale];
    view.x = w >= width ? width / 2 : clamp(view.x, w / 2, width - w / 2);
    view.y = h >= height ? height / 2 : clamp(view.y, h / 2, height - h / 2);
    svg.setAttribute("viewBox", `${view.x - w / 2} ${view.y - h / 2} ${w} ${h}`);
  };
  const fit = () => {
    Object.assign(view, { x: width / 2, y: height / 2, scale: fitting() });
    show();
  };
  const at = (clientX, clientY) => {
    const { left, top, width: across, height: down } = frame();
    return {
      x: view.x + (clientX - left - across / 2) / view.scale,
      y: view.y + (clientY - top - down / 2) / view.scale,
    };
  };
  // The point under the fingers stays there.
  const zoom = (factor, point = { x: view.x, y: view.y }) => {
    const before = view.scale;
    view.scale = clamp(before * factor, fitting(), CLOSEST);
    const moved = before / view.scale;
    view.x = point.x + (view.x - point.x) * moved;
    view.y = point.y + (view.y - point.y) * moved;
    show();
  };
  const bringIntoView = ({ x, y }) => {
    const { width: across, height: down } = frame();
    const [w, h] = [across / view.scale, down / view.scale];
    const margin = Math.min(60, w / 4, h / 4);
    view.x = clamp(view.x, x - w / 2 + margin, x + w / 2 - margin);
    view.y = clamp(view.y, y - h / 2 + margin, y + h / 2 - margin);
    show();
  };

  // --- Buttons and wheel ---------------------------------------------------------------------
  const buttons = document.querySelector("[data-zoom]");
  buttons.querySelector("[data-in]").addEventListener("click", () => zoom(ZOOM_STEP));
  buttons.querySelector("[data-out]").addEventListener("click", () => zoom(1 / ZOOM_STEP));
  buttons.querySelector("[data-fit]").addEventListener("click", fit);

  // A wheel over the picture scrolls the page, unless the picture is what is being used.
  svg.addEventListener(
    "wheel",
    (event) => {
      const isUsed = event.ctrlKey || event.metaKey || svg.contains(document.activeElement);
      const isAtEnd = event.deltaY > 0 && view.scale <= fitting() * 1.001;
      if (!isUsed || (isAtEnd && !event.ctrlKey)) return;
      event.preventDefault();
      zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), at(event.clientX, event.clientY));
    },
    { passive: false },
  );

  // --- Fingers and mouse ---------------------------------------------------------------------
  const fingers = new Map();
  let isDragged = false;
  const middle = () => {
    const all = [...fingers.values()];
    return {
      x: all.reduce((sum, { x }) => sum + x, 0) / all.length,
      y: all.reduce((sum, { y }) => sum + y, 0) / all.length,
    };
  };
  const span = () => {
    const [one, other] = [...fingers.values()];
    return other ? Math.hypot(one.x - other.x, one.y - other.y) : 0;
  };

  svg.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    if (fingers.size === 0) isDragged = false;
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  });
  svg.addEventListener("pointermove", (event) => {
    const finger = fingers.get(event.pointerId);
    if (!finger) return;
    const far = Math.hypot(event.clientX - finger.x, event.clientY - finger.y) >= DRAG_PIXELS;
    if (!isDragged && !far) return;
    if (!isDragged) {
      isDragged = true;
      svg.toggleAttribute("data-dragged", true);
    }
    svg.setPointerCapture(event.pointerId);
    const [before, wide] = [middle(), span()];
    fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    const after = middle();
    view.x -= (after.x - before.x) / view.scale;
    view.y -= (after.y - before.y) / view.scale;
    if (wide && span()) zoom(span() / wide, at(after.x, after.y));
    else show();
  });
  for (const end of ["pointerup", "pointercancel"]) {
    svg.addEventListener(end, (event) => {
      fingers.delete(event.pointerId);
      if (fingers.size === 0) svg.removeAttribute("data-dragged");
    });
  }
  svg.addEventListener("dragstart", (event) => event.preventDefault());
  svg.addEventListener(
    "click",
    (event) => {
      if (isDragged) event.preventDefault();
      isDragged = false;
    },
    true,
  );

  // --- Keyboard: one stop of the Tab key, arrows inside --------------------------------------
  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const makeStop = (node) => {
    for (const each of nodes) each.link.setAttribute("tabindex", each === node ? "0" : "-1");
  };
  const nearest = (from, [dx, dy]) => {
    let best = null;
    let least = Infinity;
    for (const node of nodes) {
      const along = (node.x - from.x) * dx + (node.y - from.y) * dy;
      const aside = Math.abs((node.x - from.x) * dy) + Math.abs((node.y - from.y) * dx);
      const cost = along + 2 * aside;
      if (along > 0.5 && aside <= 2 * along && cost < least) [best, least] = [node, cost];
    }
    return best;
  };
  // Not on the svg: Chromium makes a stop of the Tab key of one that listens for focus.
  svg.parentElement.addEventListener("focusin", (event) => {
    const node = nodes.find(({ link }) => link === event.target);
    if (!node) return;
    makeStop(node);
    if (node.link.matches(":focus-visible")) bringIntoView(node);
  });
  svg.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const from = nodes.find(({ link }) => link === document.activeElement);
    const arrow = ARROWS[event.key];
    if (arrow && from) nearest(from, arrow)?.link.focus({ preventScroll: true });
    else if (event.key === "+" || event.key === "=") zoom(ZOOM_STEP, from);
    else if (event.key === "-") zoom(1 / ZOOM_STEP, from);
    else if (event.key === "Home") fit();
    else return;
    event.preventDefault();
  });

  document.querySelector("[data-graph]").setAttribute("data-live", "");
  buttons.hidden = false;
  document.querySelector("[data-keys]").hidden = false;
  makeStop(chosen ?? nodes[0]);
  const before = shown ?? (chosen && kept());
  if (before?.width === width) Object.assign(view, before);
  else {
    const { x, y } = chosen ?? nodes[0];
    Object.assign(view, { x, y, scale: before?.scale ?? Math.max(fitting(), SMALLEST_LETTERS) });
  }
  shown = Object.assign(view, { width });
  show();
  if (chosen) bringIntoView(chosen);
  new ResizeObserver(() => svg.isConnected && show()).observe(svg);
};

const begin = () => {
  const svg = document.querySelector("[data-map] svg");
  if (svg) live(svg);
};
begin();
addEventListener("pagehide", keep);
document.addEventListener("parts:changed", begin);
