// On every page: says that scripts run, and keeps "deleted in" up to date.

document.documentElement.classList.add("js");

function left(seconds) {
  if (seconds <= 0) return "a moment";
  if (seconds < 60) return "less than a minute";
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function tick() {
  for (const time of document.querySelectorAll("time[data-until]")) {
    time.textContent = left(Number(time.dataset.until) - Date.now() / 1000);
  }
}
setInterval(tick, 15_000);

// A range says its value beside its label; of 0 to 1 in per cent.
for (const output of document.querySelectorAll("label > output[for]")) {
  const input = document.getElementById(output.htmlFor.value);
  if (!input || input.id === "brush-size") continue;
  const say = () => {
    output.textContent = Number(input.max) === 1 ? `${Math.round(100 * input.value)} %` : input.value;
  };
  input.addEventListener("input", say);
  say();
}

// Options that the chosen method does not take are out of the way; they are not used.
for (const task of document.querySelectorAll(".task")) {
  const choose = () => {
    const method = task.querySelector(".options fieldset input:checked")?.value;
    for (const option of task.querySelectorAll("[data-methods]")) {
      option.hidden = !option.dataset.methods.split(" ").includes(method);
    }
  };
  task.addEventListener("change", choose);
  choose();
}
