// The title of a conversation: the first line of its first question, until its student names it.
//
// No frame carries it: the server makes it by the same rule, see learning/turns/rows.py.

const LONGEST = 80; // code points
// Where Python's splitlines() ends a line.
const LINE_END = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/;

export const titleOf = (question) => [...question.trim().split(LINE_END)[0]].slice(0, LONGEST).join("");

// Called with each question that begins a turn; the first one counts.
export const nameAfter = (question) => {
  const heading = document.querySelector("[data-title][data-untitled]");
  if (!heading || !question) return;
  const title = titleOf(question);
  const renamer = document.querySelector("[data-rename] summary");
  const called = renamer?.getAttribute("aria-label").replace(heading.textContent, () => title);
  renamer?.setAttribute("aria-label", called);
  document.title = document.title.replace(heading.textContent, () => title);
  heading.textContent = title;
  heading.removeAttribute("data-untitled");
  const field = document.querySelector("[data-rename] [name=title]");
  // Not while another one is being written there.
  if (field && !field.value) field.value = title;
};
