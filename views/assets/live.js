// The page of a build that goes on: it follows the log, counts seconds, and says whether it still hears of anything.

const LONGEST = 8000;

const connection = document.querySelector("[sse-connect]");
const lines = document.getElementById("lines");
const follow = document.querySelector("[data-follow] input");
const said = document.querySelector("[data-live]");
const reload = document.querySelector("[data-reload]");

// Who came for one line wants to stay there.
if (location.hash !== "") follow.checked = false;
follow.parentElement.hidden = false;
toEnd();

function toEnd() {
  if (follow.checked) lines.scrollTop = lines.scrollHeight;
}

follow.addEventListener("change", toEnd);
lines.addEventListener("scroll", () => {
  follow.checked = lines.scrollHeight - lines.scrollTop - lines.clientHeight < 40;
});

function say(text) {
  said.hidden = text === "";
  said.textContent = text;
  reload.hidden = text === "Live";
}

document.addEventListener("htmx:sseOpen", () => say("Live"));
document.addEventListener("htmx:sseError", () => say("Not connected, trying again"));
document.addEventListener("htmx:sseClose", () => {
  say("");
  reload.hidden = true;
  for (const note of document.querySelectorAll("[data-while-live]")) note.remove();
  follow.parentElement.hidden = true;
});

document.addEventListener("htmx:sseMessage", ({ detail }) => {
  // A connection made anew begins where this one ended, so that nothing is shown twice.
  const [path] = connection.getAttribute("sse-connect").split("?");
  if (detail.lastEventId) connection.setAttribute("sse-connect", `${path}?from=${detail.lastEventId}`);
  const list = lines.querySelector("ol");
  while (list.childElementCount > LONGEST) list.firstElementChild.remove();
  toEnd();
});

const begun = new WeakMap();
setInterval(() => {
  for (const running of document.querySelectorAll("[data-elapsed]")) {
    if (!begun.has(running)) begun.set(running, performance.now() - Number(running.dataset.elapsed) * 1000);
    running.textContent = duration(Math.round((performance.now() - begun.get(running)) / 1000));
  }
}, 1000);

function duration(seconds) {
  const minutes = Math.floor(seconds / 60);
  if (minutes >= 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return minutes > 0 ? `${minutes} min ${seconds % 60} s` : `${seconds} s`;
}
