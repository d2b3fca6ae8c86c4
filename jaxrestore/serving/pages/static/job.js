// What stands about a job or a batch is what the server last sent: by server-sent
// events, and where these do not come through, by asking every two seconds.

const standing = document.getElementById("standing");
const said = document.getElementById("said");
const { live, ask } = standing.dataset;
let asking = null;

let latest = 0;
let shown = 0;

async function show(html) {
  const number = ++latest;
  const template = document.createElement("template");
  template.innerHTML = html;
  // Imported, since pictures in a template are not loaded.
  const next = document.importNode(template.content, true).firstElementChild;
  if (!next) return;
  if (next.hasAttribute("data-final")) {
    location.reload();
    return;
  }
  // A picture is shown once it is there, so that it does not flicker; what is older than
  // what is shown, not at all.
  await Promise.all([...next.querySelectorAll("img")].map((image) => image.decode().catch(() => {})));
  if (number < shown) return;
  shown = number;
  standing.replaceChildren(next);
  if (said && said.textContent !== next.dataset.say) said.textContent = next.dataset.say;
}

async function poll() {
  try {
    const answer = await fetch(ask, { headers: { accept: "text/html" } });
    const elsewhere = answer.redirected; // to the login: the session has ended
    if (elsewhere || answer.status === 404 || answer.status === 410) location.reload();
    else if (answer.ok) await show(await answer.text());
  } catch {
    // The network is away; it is asked again.
  }
}

function fall_back() {
  asking ??= setInterval(poll, 2000);
}

if (live && "EventSource" in window) {
  const source = new EventSource(live);
  source.onmessage = (event) => show(JSON.parse(event.data));
  source.onopen = () => {
    clearInterval(asking);
    asking = null;
  };
  source.onerror = fall_back; // the browser tries again by itself, unless it was refused
  addEventListener("pagehide", () => source.close());
} else {
  fall_back();
}
// A page from the browser's cache may be old.
addEventListener("pageshow", (event) => event.persisted && location.reload());
