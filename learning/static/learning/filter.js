// On a phone the chosen chapter may lie far to the right in its row.
const row = document.querySelector(".filter ul");
const chosen = row?.querySelector("[aria-current]");
if (chosen) row.scrollLeft = chosen.offsetLeft - row.offsetLeft - (row.clientWidth - chosen.offsetWidth) / 2;
