// What pages do beyond HTML. Each works without it.

// Times in the reader's own zone; the server says them in UTC. "10 min ago" stays, and tells the time where it is pointed at.
function localTimes(root) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    if (time.textContent.trim().endsWith(" UTC")) {
      time.title = time.textContent.trim();
      time.textContent = format.format(at);
    } else if (time.title === "" || time.title.endsWith(" UTC")) {
      time.title = format.format(at);
    }
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
  const copied = await navigator.clipboard.writeText(source.value ?? source.textContent).then(
    () => true,
    () => false,
  );
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
