// A mask as a list of what was done, so that all of it can be undone and drawn again at
// any size. What is opaque is missing.

const COLOUR = [255, 45, 111]; // on the screen; a file has white on black

export class Strokes {
  constructor(width, height) {
    Object.assign(this, { width, height, done: [], undone: [] });
  }

  add(step) {
    this.done.push(step);
    this.undone = [];
  }

  undo() {
    if (this.done.length) this.undone.push(this.done.pop());
  }

  redo() {
    if (this.undone.length) this.done.push(this.undone.pop());
  }

  /** Draws everything anew. */
  draw(canvas) {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (const step of this.done) draw(context, step, canvas.width / this.width, 0);
  }

  /** A file with the mask at the size of the picture: white on black. */
  async file() {
    const canvas = document.createElement("canvas");
    canvas.width = this.width;
    canvas.height = this.height;
    const context = canvas.getContext("2d");
    this.draw(canvas);
    context.globalCompositeOperation = "source-in";
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.globalCompositeOperation = "destination-over";
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
    return blob && new File([blob], "mask.png", { type: "image/png" });
  }
}

/** Draws one step, of a stroke only what follows its point number `from`. */
export function draw(context, step, scale, from) {
  const { width, height } = context.canvas;
  context.save();
  context.fillStyle = context.strokeStyle = `rgb(${COLOUR})`;
  if (step.kind === "clear") context.clearRect(0, 0, width, height);
  if (step.kind === "invert") {
    context.globalCompositeOperation = "source-out";
    context.fillRect(0, 0, width, height);
  }
  if (step.kind === "image") {
    context.clearRect(0, 0, width, height);
    context.imageSmoothingEnabled = false;
    context.drawImage(step.image, 0, 0, width, height);
  }
  if (step.kind === "stroke") {
    if (step.erase) context.globalCompositeOperation = "destination-out";
    context.lineWidth = step.size * scale;
    context.lineCap = context.lineJoin = "round";
    context.beginPath();
    const points = step.points.slice(Math.max(0, from - 1));
    points.forEach(([x, y], i) => (i ? context.lineTo(x * scale, y * scale) : context.moveTo(x * scale, y * scale)));
    if (points.length === 1) context.lineTo(points[0][0] * scale, points[0][1] * scale);
    context.stroke();
  }
  context.restore();
}

/**
 * Returns an uploaded mask as a picture that is opaque where something is missing, or throws an
 * Error that says what is wrong. What counts is light above 127, and no transparency.
 */
export async function read(file, width, height) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error("This browser cannot show the mask; it is sent as it is.");
  }
  if (bitmap.width !== width || bitmap.height !== height) {
    throw new Error(`The mask has ${bitmap.width} × ${bitmap.height} px, the picture ${width} × ${height}.`);
  }
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const pixels = context.getImageData(0, 0, width, height);
  const data = pixels.data;
  for (let i = 0; i < data.length; i += 4) {
    const light = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
    data[i + 3] = data[i + 3] > 127 && light > 127 ? 255 : 0;
    [data[i], data[i + 1], data[i + 2]] = COLOUR;
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}
