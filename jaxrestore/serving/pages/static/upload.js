// Drop and paste put files into the form, which then goes its usual way.

import { send } from "./send.js";

const form = document.getElementById("upload");
const status = document.getElementById("upload-status");
const inputs = [...form.querySelectorAll("input[type=file]")];
const input = inputs[0];
const most = Number(form.dataset.most);
const many = form.dataset.many; // where several files are taken, if not here

function size(bytes) {
  return bytes < 2 ** 20 ? `${Math.ceil(bytes / 2 ** 10)} kB` : `${(bytes / 2 ** 20).toFixed(1)} MB`;
}

function say(text, wrong = false) {
  status.textContent = text;
  status.classList.toggle("wrong", wrong);
}

/** Looks at chosen files before they are sent; a page with one picture sends at once. */
function chosen(source) {
  const files = [...source.files];
  if (!files.length) return;
  const sum = files.reduce((bytes, file) => bytes + file.size, 0);
  const name = files.length === 1 ? files[0].name || "The picture" : `${files.length} files`;
  if (sum > most) {
    say(`${name}: ${size(sum)} is more than the ${size(most)} that are taken.`, true);
    source.value = "";
    return;
  }
  if (!many) {
    say(`${name}, ${size(sum)}`);
    return;
  }
  upload(name, new FormData(form));
}

async function upload(name, data) {
  say(`Sending ${name} …`);
  form.classList.add("sending");
  const wrong = await send(form, data, (share) => {
    say(share < 1 ? `Sending ${name}: ${Math.round(100 * share)} %` : `Looking at ${name} …`);
  });
  form.classList.remove("sending");
  if (many) form.reset();
  say(wrong, true);
}
if (!many) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    upload("the pictures", new FormData(form));
  });
}

function take(files) {
  if (!files.length) return;
  if (many && files.length > 1) {
    say("One picture at a time here; “Many pictures at once” takes several.", true);
    return;
  }
  const transfer = new DataTransfer();
  for (const file of files) transfer.items.add(file);
  input.files = transfer.files;
  chosen(input);
}

for (const one of inputs) one.addEventListener("change", () => chosen(one));

addEventListener("paste", (event) => take([...(event.clipboardData?.files ?? [])]));

let inside = 0; // dragenter and dragleave come for every child
addEventListener("dragenter", (event) => {
  if (!event.dataTransfer?.types.includes("Files")) return;
  inside += 1;
  form.classList.add("over");
});
addEventListener("dragleave", () => {
  inside = Math.max(0, inside - 1);
  if (!inside) form.classList.remove("over");
});
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  inside = 0;
  form.classList.remove("over");
  take([...(event.dataTransfer?.files ?? [])]);
});
// A page that comes back from the browser's cache waits for nothing.
addEventListener("pageshow", () => form.classList.remove("sending"));
