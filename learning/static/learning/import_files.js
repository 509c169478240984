// Shows how far an upload is, lets a whole folder be picked or dropped, and tells the server the
// paths of its files. Without this the form is sent by the browser.

const form = document.querySelector("[data-import]");
const picker = form.querySelector("[data-files]");
const folder = form.querySelector("[data-folder]");
const progress = form.querySelector("[data-progress]");
const problem = form.querySelector("[data-problem]");
const send = form.querySelector("[data-send]");

let chosen = []; // {path, file}

function choose(files) {
  // What begins with a dot is the system's or the editor's.
  chosen = files.filter(({ path }) => !path.split("/").some((step) => step.startsWith(".")));
  const words = chosen.length === 1 ? form.dataset.chosenOne : form.dataset.chosen;
  const names = chosen.slice(0, 5).map(({ path }) => path).join(", ");
  form.querySelector("[data-chosen-files]").textContent = chosen.length
    ? `${words.replace("%s", chosen.length)}: ${names}${chosen.length > 5 ? " …" : ""}`
    : "";
  picker.required = chosen.length === 0;
}

function picked(input) {
  return [...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}

async function dropped(entry, before = "") {
  const path = before + entry.name;
  if (entry.isFile) {
    return [{ path, file: await new Promise((done, failed) => entry.file(done, failed)) }];
  }
  const reader = entry.createReader();
  const files = [];
  for (;;) {
    // A reader gives a hundred at a time, and none when it is through.
    const entries = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!entries.length) return files;
    for (const each of entries) files.push(...(await dropped(each, `${path}/`)));
  }
}

function show(percent, words) {
  progress.hidden = false;
  const bar = progress.querySelector("progress");
  if (percent === null) bar.removeAttribute("value");
  else bar.value = percent;
  const status = progress.querySelector("[role=status]");
  if (status.textContent !== words) status.textContent = words;
}

function end(words) {
  progress.hidden = true;
  send.disabled = false;
  problem.hidden = !words;
  problem.textContent = words;
  if (words) send.focus();
}

function upload() {
  const data = new FormData(form);
  data.delete("files");
  for (const { path, file } of chosen) {
    data.append("files", file, file.name);
    data.append("paths", path);
  }
  const request = new XMLHttpRequest(); // fetch does not tell how far it is
  request.open("POST", form.action || location.href);
  request.setRequestHeader("X-Requested-With", "fetch");
  request.upload.addEventListener("progress", (event) => {
    const percent = event.lengthComputable ? Math.floor((100 * event.loaded) / event.total) : null;
    show(percent, form.dataset.sending.replace("%s", percent ?? "…"));
  });
  request.upload.addEventListener("load", () => show(null, form.dataset.sent));
  request.addEventListener("load", () => answered(request));
  request.addEventListener("error", () => end(form.dataset.failed));
  request.addEventListener("abort", () => end(""));
  progress.querySelector("[data-abort]").onclick = () => request.abort();
  send.disabled = true;
  problem.hidden = true;
  show(0, form.dataset.sending.replace("%s", 0));
  request.send(data);
}

function answered(request) {
  if (request.status === 200 && request.getResponseHeader("Content-Type") === "application/json") {
    location.assign(JSON.parse(request.responseText).url);
    return;
  }
  const page = new DOMParser().parseFromString(request.responseText, "text/html");
  const errors = [...page.querySelectorAll("[data-import] .desk-error:not([hidden])")];
  end(errors.map((error) => error.textContent).join(" ") || form.dataset.failed);
}

// Before it reaches the field: the theme's script would write the file's name into the title.
form.addEventListener(
  "change",
  (event) => {
    if (event.target !== picker && event.target !== folder) return;
    event.stopPropagation();
    choose(picked(event.target));
  },
  { capture: true },
);
form.querySelector("[data-folder-label]").hidden = !("webkitdirectory" in folder);

form.addEventListener("dragover", (event) => event.preventDefault());
form.addEventListener("drop", async (event) => {
  event.preventDefault();
  const { items, files } = event.dataTransfer; // gone after the first await
  const entries = [...items].map((item) => item.webkitGetAsEntry()).filter(Boolean);
  choose(
    entries.length
      ? (await Promise.all(entries.map((entry) => dropped(entry)))).flat()
      : [...files].map((file) => ({ path: file.name, file })),
  );
});

form.addEventListener("submit", (event) => {
  if (!chosen.length) return; // the browser says that files are missing
  event.preventDefault();
  upload();
});
choose(picked(picker)); // a page that was gone back to
