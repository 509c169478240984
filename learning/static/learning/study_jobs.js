// Keeps what a page says of running jobs up to date: only its words are changed, so what is
// selected, or has the focus, stays as it is.

const PAUSE = 2000;

function isAnythingRunning() {
  return document.querySelector("[data-running]") !== null;
}

async function refresh() {
  const response = await fetch(location.href, { headers: { "X-Requested-With": "fetch" } });
  if (!response.ok || response.redirected) return;
  const fresh = new DOMParser().parseFromString(await response.text(), "text/html");
  for (const old of document.querySelectorAll("[data-live]")) {
    const now = fresh.querySelector(`[data-live="${CSS.escape(old.dataset.live)}"]`);
    if (!now || now.innerHTML === old.innerHTML || old.contains(document.activeElement)) continue;
    old.replaceWith(now);
  }
}

async function watch() {
  while (isAnythingRunning()) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    if (document.hidden) {
      await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
    }
    try {
      await refresh();
    } catch {
      // The server is away for a moment.
    }
  }
}

watch();
