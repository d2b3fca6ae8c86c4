// The picture can be enlarged, and painted over where a task asks for a mask.

import { Painter } from "./painter.js";
import { send } from "./send.js";
import { Viewport, buttons, gestures } from "./viewport.js";

const frame = document.getElementById("frame");
const picture = document.getElementById("picture");
const form = document.getElementById("edit");
const tools = document.getElementById("tools");
const help = document.getElementById("mask-help");
const input = document.getElementById("mask");
const status = document.getElementById("mask-status");
const sent = document.getElementById("sent");
const width = Number(frame.dataset.width);
const height = Number(frame.dataset.height);

const stage = document.createElement("div");
stage.className = "stage";
stage.style.width = `${width}px`;
stage.style.height = `${height}px`;
picture.replaceWith(stage);
stage.append(picture);
frame.style.setProperty("--ratio", `${width / height}`);
frame.classList.add("live");

let told = () => {};
let painter = null;
const view = new Viewport([frame], width, height, (now) => {
  stage.style.setProperty("--scale", now.scale);
  stage.style.transform = `translate(${now.x}px, ${now.y}px) scale(${now.scale})`;
  stage.classList.toggle("exact", now.percent >= 199);
  painter?.resized();
  told();
});
told = buttons(view, document.getElementById("zoom"));
told();
const pinching = gestures(view, frame);
if (form && input) painter = new Painter({ frame, stage, tools, view, width, height, pinching });

/** Shows the tools where the chosen task wants a mask. */
function chosen() {
  const radio = form?.querySelector("input[name=task]:checked");
  const wanted = Boolean(radio && "mask" in radio.dataset);
  tools.hidden = help.hidden = !wanted;
  if (painter) painter.active = wanted;
  frame.classList.toggle("painting", wanted);
}
form?.addEventListener("change", (event) => {
  if (event.target.name !== "task") return;
  chosen();
  // On a phone the picture may be far above what was chosen.
  if (!tools.hidden && frame.getBoundingClientRect().bottom < 100) tools.scrollIntoView({ block: "start" });
});
chosen();

/** Without the tools, one finger or the mouse moves what is larger than the frame. */
let last = null;
frame.addEventListener("pointerdown", (event) => {
  if (painter?.draws(event) || event.button === 2) return;
  event.preventDefault();
  frame.setPointerCapture(event.pointerId);
  last = [event.clientX, event.clientY];
});
frame.addEventListener("pointermove", (event) => {
  if (!last || pinching()) return;
  view.move(event.clientX - last[0], event.clientY - last[1]);
  last = [event.clientX, event.clientY];
});
for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, () => (last = null));

input?.addEventListener("change", async () => {
  if (!input.files.length) return;
  status.textContent = "";
  try {
    await painter.take(input.files[0]);
    input.value = "";
    status.textContent = "The mask is shown on the picture.";
  } catch (error) {
    status.textContent = error.message;
  }
});

document.getElementById("mask-download")?.addEventListener("click", async () => {
  const file = await painter.strokes.file();
  if (!file) {
    status.textContent = "This browser cannot make a mask of this size.";
    return;
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = "mask.png";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
});

// What was painted goes as the file of the form.
form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button[type=submit]");
  const data = new FormData(form);
  if (painter?.active && painter.painted) {
    const file = await painter.strokes.file();
    if (!file) {
      say("This browser cannot make a mask of this size; choose a mask file.");
      return;
    }
    data.set("mask", file);
  }
  button.setAttribute("aria-busy", "true");
  say(await send(form, data));
  button.removeAttribute("aria-busy");
});

function say(text) {
  sent.textContent = text;
  sent.scrollIntoView({ block: "nearest" });
}

/** Goes on to the tasks once the networks are there. */
async function look() {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
  if (answer?.ok && !(await answer.text()).includes('id="loading"')) location.reload();
  else setTimeout(look, 1000);
}
if (document.getElementById("loading")) setTimeout(look, 1000);
// A page that comes back from the browser's cache waits for nothing.
addEventListener("pageshow", () => form?.querySelector("[aria-busy]")?.removeAttribute("aria-busy"));
