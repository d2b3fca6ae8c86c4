// Painting a mask with a mouse, a pen or a finger. One finger draws; a second one ends
// the stroke, which is taken back, and both move and zoom.

import { Strokes, draw, read } from "./strokes.js";

const LARGEST = 2048; // px a side of the canvas on the screen; the file has them all

export class Painter {
  constructor({ frame, stage, tools, view, width, height, pinching }) {
    Object.assign(this, { frame, tools, view, width, height, pinching });
    this.strokes = new Strokes(width, height);
    this.active = this.erasing = this.moving = false;
    this.stroke = null;
    this.canvas = document.createElement("canvas");
    const part = Math.min(1, LARGEST / Math.max(width, height));
    this.canvas.width = Math.max(1, Math.round(width * part));
    this.canvas.height = Math.max(1, Math.round(height * part));
    this.canvas.className = "mask";
    this.canvas.setAttribute("aria-hidden", "true");
    this.cursor = document.createElement("span");
    this.cursor.className = "cursor";
    stage.append(this.canvas);
    frame.append(this.cursor);
    this.slider = tools.querySelector("#brush-size");
    this.slider.max = Math.max(8, Math.round(Math.max(width, height) / 2));
    this.slider.value = Math.max(2, Math.round(Math.max(width, height) / 20));
    this.slider.addEventListener("input", () => this.resized());
    this.bind();
    this.resized();
  }

  get size() {
    return Number(this.slider.value);
  }

  get painted() {
    return this.strokes.done.length > 0;
  }

  resized() {
    if (!this.slider) return;
    this.tools.querySelector("#size-words").textContent = `${this.size} px`;
    this.cursor.style.setProperty("--across", `${this.size * this.view.scale}px`);
  }

  bind() {
    const { frame } = this;
    frame.addEventListener("pointerdown", (event) => this.down(event));
    frame.addEventListener("pointermove", (event) => this.move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      frame.addEventListener(end, (event) => this.up(event, end === "pointercancel"));
    }
    frame.addEventListener("pointerleave", () => this.cursor.classList.remove("seen"));
    for (const button of this.tools.querySelectorAll("[data-tool]")) {
      button.addEventListener("click", () => this.choose(button.dataset.tool));
    }
    for (const button of this.tools.querySelectorAll("[data-do]")) {
      button.addEventListener("click", () => this.perform(button.dataset.do));
    }
    addEventListener("keydown", (event) => this.key(event));
    addEventListener("keyup", (event) => {
      if (event.key === " ") this.moving = false;
    });
  }

  choose(tool) {
    this.erasing = tool === "erase";
    for (const button of this.tools.querySelectorAll("[data-tool]")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool));
    }
  }

  perform(what) {
    if (what === "undo") this.strokes.undo();
    else if (what === "redo") this.strokes.redo();
    else this.strokes.add({ kind: what });
    this.redraw();
  }

  async take(file) {
    const image = await read(file, this.width, this.height);
    this.strokes.add({ kind: "image", image });
    this.redraw();
  }

  redraw() {
    this.strokes.draw(this.canvas);
    this.tools.querySelector("[data-do=undo]").disabled = !this.strokes.done.length;
    this.tools.querySelector("[data-do=redo]").disabled = !this.strokes.undone.length;
  }

  key(event) {
    const typing = event.target.closest?.("input:not([type=range], [type=radio], [type=checkbox]), select, textarea");
    if (!this.active || typing) return;
    const control = event.ctrlKey || event.metaKey;
    const key = event.key.toLowerCase();
    if (control && key === "z") this.perform(event.shiftKey ? "redo" : "undo");
    else if (control && key === "y") this.perform("redo");
    else if (key === "[" || key === "]") {
      const size = key === "]" ? Math.max(this.size + 1, this.size * 1.2) : this.size / 1.2;
      this.slider.value = Math.round(size);
      this.resized();
    } else if (key === " " && event.target === document.body) this.moving = true;
    else return;
    event.preventDefault();
  }

  /** Whether a pointer that comes down draws: a main button, or the other end of a pen. */
  draws(event) {
    return this.active && !this.moving && (event.button === 0 || erases(event));
  }

  down(event) {
    if (!this.draws(event)) return;
    event.preventDefault();
    if (this.pinching()) {
      this.stroke = null; // what the first finger drew was the begin of a gesture
      this.redraw();
      return;
    }
    if (this.stroke) return; // a hand that rests beside the pen
    this.frame.setPointerCapture(event.pointerId);
    this.pointer = event.pointerId;
    const erase = this.erasing || erases(event);
    this.stroke = { kind: "stroke", erase, size: this.size, points: [] };
    this.extend([event]);
  }

  move(event) {
    this.follow(event);
    if (!this.stroke || event.pointerId !== this.pointer || this.pinching()) return;
    const events = event.getCoalescedEvents?.() ?? [];
    this.extend(events.length ? events : [event]);
  }

  up(event, cancelled) {
    if (!this.stroke || event.pointerId !== this.pointer) return;
    if (!cancelled) this.strokes.add(this.stroke);
    this.stroke = null;
    this.redraw();
  }

  extend(events) {
    const from = this.stroke.points.length;
    for (const event of events) this.stroke.points.push(this.view.at(event));
    draw(this.canvas.getContext("2d"), this.stroke, this.canvas.width / this.width, from);
  }

  /** The brush as large as it paints; a finger hides it anyway. */
  follow(event) {
    const box = this.frame.getBoundingClientRect();
    const seen = this.active && event.pointerType !== "touch";
    this.cursor.classList.toggle("seen", seen);
    this.cursor.style.setProperty("--x", `${event.clientX - box.left - this.frame.clientLeft}px`);
    this.cursor.style.setProperty("--y", `${event.clientY - box.top - this.frame.clientTop}px`);
  }
}

/** Pointer Events: the eraser of a pen is button 5, which is 32 of `buttons`. */
function erases(event) {
  return event.button === 5 || (event.buttons & 32) > 0;
}
