// Talking to the stand-in, and making elements. Nothing here ever sets HTML.

export async function get(path) {
  const r = await fetch(path);
  if (!r.ok) throw new Error(`${path}: ${r.status}`);
  return r.json();
}

// send posts body as JSON. An answer that is not a success becomes an Error
// with the status and the server's own words.
export async function send(path, body, method = "POST") {
  const r = await fetch(path, {
    method, headers: { "Content-Type": "application/json" }, body: body === undefined ? undefined : JSON.stringify(body),
  }).catch(() => { throw new Error("the stand-in does not answer: is it still running?"); });
  const text = await r.text();
  const doc = text ? JSON.parse(text) : null;
  if (!r.ok) throw Object.assign(new Error(doc?.error ?? `status ${r.status}`), { status: r.status });
  return doc;
}

// el makes an element; props are set as properties, on… as listeners, and
// children are nodes or text.
export function el(tag, props = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(props)) {
    if (v === undefined || v === null || v === false) continue;
    if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (k in e) e[k] = v;
    else e.setAttribute(k, v);
  }
  e.append(...children.flat().filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

const SVG = "http://www.w3.org/2000/svg";

export function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const p = document.createElementNS(SVG, "path");
  p.setAttribute("d", path);
  svg.append(p);
  return svg;
}

const hues = ["#b4533c", "#2f7d6b", "#7a5bb5", "#a8642a", "#3d6fb0", "#9c4878"];

// face is the round picture of a person, or the square one of the bot.
export function face(user, world, big) {
  const f = el("span", { className: "face" + (big ? " big" : ""), "aria-hidden": "true" }, (user.name ?? user.global_name ?? user.username ?? "?").slice(0, 1).toUpperCase());
  if (user.bot) f.classList.add("app-face");
  else f.style.background = hues[Math.max(0, world.users.findIndex((u) => u.id === user.id)) % hues.length];
  return f;
}

// The language of the person whose eyes one looks through, for times.
let spoken = "en-US";

export const locale = () => spoken;

export function speak(language) {
  spoken = language;
}

export function nameOf(user) {
  return user.name ?? user.global_name ?? user.username;
}
