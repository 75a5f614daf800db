// What pages do beyond HTML. Each works without it.
"use strict";

// Times in the reader's own zone; the server says them in UTC.
function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.title = format.format(at);
    if (time.dataset.absolute !== undefined) time.textContent = format.format(at);
  }
}

// A button that copies the text of the element it names is shown only where that works: over HTTPS, or on this machine.
function copyButtons(root) {
  if (navigator.clipboard === undefined) return;
  for (const button of root.querySelectorAll("button[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  const source = button && document.getElementById(button.dataset.copy);
  if (!source) return;
  const label = button.textContent;
  const copied = await navigator.clipboard.writeText(source.value ?? source.textContent).then(() => true, () => false);
  button.textContent = copied ? "Copied" : "Not copied";
  setTimeout(() => {
    button.textContent = label;
  }, 1500);
});

function dress(root) {
  localTimes(root);
  copyButtons(root);
}

document.addEventListener("DOMContentLoaded", () => dress(document));
document.addEventListener("htmx:load", (event) => dress(event.target));
