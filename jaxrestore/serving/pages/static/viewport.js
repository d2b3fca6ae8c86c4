// Where a picture stands in its frame: moved and enlarged, by all that people have.

const STEP = 1.25;

/**
 * A view of pictures of `width` x `height` that fill the same place of several frames.
 * `scale` is CSS pixels a picture's pixel; `x`, `y` is where its corner stands.
 * `changed(view)` draws. 100 % is one pixel of the screen, not of CSS.
 */
export class Viewport {
  constructor(frames, width, height, changed) {
    Object.assign(this, { frames, width, height, changed });
    this.fitting = true;
    new ResizeObserver(() => (this.fitting ? this.fit() : this.set(this.scale, this.x, this.y))).observe(frames[0]);
    this.fit();
  }

  get size() {
    return [this.frames[0].clientWidth, this.frames[0].clientHeight];
  }

  get smallest() {
    const [wide, high] = this.size;
    return Math.min(wide / this.width, high / this.height) || 1;
  }

  /** Per cent of true pixels. */
  get percent() {
    return 100 * this.scale * devicePixelRatio;
  }

  fit() {
    this.fitting = true;
    this._place(Math.min(this.smallest, Math.max(1, 8 / devicePixelRatio)), 0, 0);
  }

  /** True pixels times `factor`, around the middle of the frame. */
  exact(factor) {
    const [wide, high] = this.size;
    this.zoom(factor / devicePixelRatio / this.scale, wide / 2, high / 2);
  }

  /** Enlarges around a point of the frame, which keeps its place. */
  zoom(factor, x, y) {
    const least = Math.min(this.smallest, 1 / devicePixelRatio);
    const scale = Math.min(32, Math.max(least, this.scale * factor));
    const ratio = scale / this.scale;
    this.set(scale, x - (x - this.x) * ratio, y - (y - this.y) * ratio);
  }

  step(direction) {
    const [wide, high] = this.size;
    this.zoom(STEP ** direction, wide / 2, high / 2);
  }

  move(x, y) {
    this.set(this.scale, this.x + x, this.y + y);
  }

  set(scale, x, y) {
    this.fitting = false;
    this._place(scale, x, y);
  }

  _place(scale, x, y) {
    const [wide, high] = this.size;
    this.scale = scale;
    this.x = held(x, wide, this.width * scale);
    this.y = held(y, high, this.height * scale);
    for (const frame of this.frames) frame.classList.toggle("fits", this.fitting);
    this.changed(this);
  }

  /** The picture's coordinates of an event in a frame. */
  at(event, frame = this.frames[0]) {
    const box = frame.getBoundingClientRect();
    return [
      (event.clientX - box.left - frame.clientLeft - this.x) / this.scale,
      (event.clientY - box.top - frame.clientTop - this.y) / this.scale,
    ];
  }
}

/** What is smaller than the frame stands in its middle; what is larger leaves no gap. */
function held(place, frame, picture) {
  if (picture <= frame) return (frame - picture) / 2;
  return Math.min(0, Math.max(frame - picture, place));
}

/** The wheel zooms, and two fingers; returns whether a gesture of two is under way. */
export function gestures(view, frame) {
  const fingers = new Map();
  const place = (event) => {
    const box = frame.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  frame.addEventListener(
    "wheel",
    (event) => {
      // What cannot become smaller lets the page move.
      if (event.deltaY > 0 && view.fitting && !event.ctrlKey) return;
      event.preventDefault();
      view.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.002)), ...place(event));
    },
    { passive: false },
  );
  frame.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch") fingers.set(event.pointerId, place(event));
  });
  frame.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const old = [...fingers.values()];
    fingers.set(event.pointerId, place(event));
    if (fingers.size !== 2) return;
    const now = [...fingers.values()];
    const [before, after] = [old, now].map(([a, b]) => ({
      far: Math.hypot(a[0] - b[0], a[1] - b[1]),
      x: (a[0] + b[0]) / 2,
      y: (a[1] + b[1]) / 2,
    }));
    view.move(after.x - before.x, after.y - before.y);
    if (before.far > 0) view.zoom(after.far / before.far, after.x, after.y);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    frame.addEventListener(end, (event) => fingers.delete(event.pointerId));
  }
  return () => fingers.size > 1;
}

/** Buttons `data-zoom` and the output beside them. Returns what says the zoom. */
export function buttons(view, box) {
  for (const button of box.querySelectorAll("[data-zoom]")) {
    const what = button.dataset.zoom;
    button.addEventListener("click", () => {
      if (what === "fit") view.fit();
      else if (what === "in" || what === "out") view.step(what === "in" ? 1 : -1);
      else view.exact(Number(what));
    });
  }
  const output = box.querySelector("output");
  return () => {
    output.textContent = `${Math.round(view.percent)} %`;
  };
}
