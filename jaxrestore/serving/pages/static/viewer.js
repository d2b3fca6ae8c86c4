// Before and after: one picture over the other with a slider, or side by side, at true
// pixels, with one zoom for both. Without this script they stand one after the other.

import { Viewport, buttons, gestures } from "./viewport.js";

for (const viewer of document.querySelectorAll(".viewer")) live(viewer);

function live(viewer) {
  const { width, height } = viewer.dataset;
  const panes = [...viewer.querySelectorAll(".pane")];
  const images = panes.map((pane) => pane.querySelector("img"));
  const range = viewer.querySelector("[data-split]");
  const divider = viewer.querySelector(".divider");
  let told = () => {};
  viewer.classList.add("live", "slider");
  viewer.style.setProperty("--ratio", `${width / height}`);

  const view = new Viewport(panes, Number(width), Number(height), (now) => {
    for (const image of images) {
      image.style.setProperty("--scale", now.scale);
      image.style.transform = `translate(${now.x}px, ${now.y}px) scale(${now.scale})`;
      image.classList.toggle("exact", now.percent >= 199);
    }
    told();
  });
  told = buttons(view, viewer.querySelector(".tools"));
  told();

  const split = (value) => {
    range.value = value;
    viewer.style.setProperty("--split", `${range.value}%`);
    range.setAttribute("aria-valuetext", `${Math.round(range.value)} % ${images[0].alt}`);
  };
  range.addEventListener("input", () => split(range.value));
  split(50);

  for (const button of viewer.querySelectorAll("[data-mode]")) {
    button.addEventListener("click", () => {
      viewer.classList.toggle("slider", button.dataset.mode === "slider");
      for (const other of viewer.querySelectorAll("[data-mode]")) {
        other.setAttribute("aria-pressed", String(other === button));
      }
      view.fit();
    });
  }
  divider.addEventListener("pointerdown", (event) => {
    divider.setPointerCapture(event.pointerId);
    event.preventDefault();
    event.stopPropagation();
    range.focus({ preventScroll: true });
  });
  divider.addEventListener("pointermove", (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = panes[0].getBoundingClientRect();
    split((100 * (event.clientX - box.left)) / box.width);
  });
  for (const pane of panes) moved(view, pane, split, viewer);
}

/** Dragging moves what is larger than its frame; a click without moving sets the slider. */
function moved(view, pane, split, viewer) {
  const pinching = gestures(view, pane);
  let last = null;
  let far = 0;
  pane.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    pane.setPointerCapture(event.pointerId);
    last = [event.clientX, event.clientY];
    far = 0;
  });
  pane.addEventListener("pointermove", (event) => {
    if (!last || pinching()) return;
    const [x, y] = [event.clientX - last[0], event.clientY - last[1]];
    far += Math.abs(x) + Math.abs(y);
    last = [event.clientX, event.clientY];
    if (!view.fitting) view.move(x, y);
    else if (viewer.classList.contains("slider")) set(event);
  });
  pane.addEventListener("pointerup", (event) => {
    if (last && far < 4 && viewer.classList.contains("slider")) set(event);
    last = null;
  });
  pane.addEventListener("pointercancel", () => (last = null));
  const set = (event) => {
    const box = pane.getBoundingClientRect();
    split((100 * (event.clientX - box.left)) / box.width);
  };
}
