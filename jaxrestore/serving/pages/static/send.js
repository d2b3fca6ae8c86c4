// Sends a form as the browser would, but stays on the page where it is refused: what was
// painted is not lost. Says on the way how much has gone.

/** Returns once the browser goes on, or the sentence that says why it does not. */
export function send(form, data, progressed = () => {}) {
  return new Promise((done) => {
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("accept", "text/html");
    request.upload.onprogress = (event) => event.lengthComputable && progressed(event.loaded / event.total);
    request.onerror = () => done("The server does not answer, or ended the upload; try again.");
    request.onload = () => {
      const there = new URL(request.responseURL);
      if (request.status === 200 && there.pathname !== new URL(form.action).pathname) location.assign(there);
      else done(reason(request));
    };
    request.send(data);
  });
}

function reason(request) {
  if (request.getResponseHeader("content-type")?.includes("json")) {
    try {
      return JSON.parse(request.responseText).detail;
    } catch {
      return "The server's answer cannot be read; try again.";
    }
  }
  const page = new DOMParser().parseFromString(request.responseText, "text/html");
  const problem = page.querySelector(".problem");
  const parts = problem ? [`${problem.querySelector("strong").textContent}.`] : [];
  for (const part of problem?.querySelectorAll("p") ?? page.querySelectorAll(".lead")) parts.push(part.textContent);
  return parts.join(" ").replace(/\s+/g, " ").trim() || "Something went wrong; try again.";
}
