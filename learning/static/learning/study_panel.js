// Asks before a button above an admin's form is pressed while the form has unsaved changes: the
// button belongs to a form of its own, and its page would go away with them.

function isChanged(field) {
  if (field.disabled || !field.name) return false;
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  if (field.type === "select-multiple") {
    return [...field.options].some((option) => option.selected !== option.defaultSelected);
  }
  if (field.type === "select-one") {
    // Where none is marked in the page, the browser takes the first.
    const marked = [...field.options].findLastIndex((option) => option.defaultSelected);
    return field.options.length > 0 && field.selectedIndex !== Math.max(marked, 0);
  }
  return "defaultValue" in field && field.value !== field.defaultValue;
}

function isUnsaved() {
  const form = document.querySelector("#content-main > form");
  return form !== null && [...form.elements].some(isChanged);
}

for (const form of document.querySelectorAll(".study-panel form[data-unsaved]")) {
  form.addEventListener("submit", (event) => {
    if (isUnsaved() && !window.confirm(form.dataset.unsaved)) event.preventDefault();
  });
}
