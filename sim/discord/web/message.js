// One message: who, text, embeds, components, files.
import { el, face, icon, locale, nameOf, send } from "./api.js";
import { inline, markdown } from "./markdown.js";

const clock = (at) => new Intl.DateTimeFormat(locale(), { timeStyle: "short" }).format(at);
const full = (at) => new Intl.DateTimeFormat(locale(), { dateStyle: "full", timeStyle: "medium" }).format(at);

const EPHEMERAL = 64, LOADING = 128, SILENT = 4096;

export function names(world) {
  return {
    user: (id) => nameOf(world.users.find((u) => u.id === id) ?? (world.bot.id === id ? world.bot : { name: "unknown" })),
    channel: (id) => world.guilds.flatMap((g) => g.channels).find((c) => c.id === id)?.name ?? "unknown",
  };
}

// message renders m; continued leaves out the head, as for a second one by
// the same author. act is called to press something, dismiss to hide m; called names a
// command in the reader's language.
export function message(m, { world, continued, act, dismiss, called }) {
  const c = names(world);
  const body = el("div", { className: "body" });
  const li = el("li", { className: "msg" + (continued ? "" : " first") });
  li.dataset.id = m.id;
  if (m.flags & EPHEMERAL) li.classList.add("whisper");
  const im = m.interaction_metadata;
  if (!continued) {
    if (im?.type === 2) li.append(el("div", { className: "used" }, el("b", {}, nameOf(im.user)), " used ", el("code", {}, "/" + called(im.name))));
    li.append(face(m.author, world, true));
    body.append(head(m));
  }
  if (m.flags & LOADING) body.append(el("p", { className: "thinking" }, el("i"), el("i"), el("i"), nameOf(m.author) + " is thinking…"));
  else if (m.content) body.append(text(m, c));
  body.append(...m.embeds.map((e) => embed(e, c)), ...m.attachments.filter((a) => !shown(a, m)).map(file), ...m.components.map((r) => row(r, m, world, act)));
  if (m.only_for || m.local) body.append(only(m, dismiss));
  li.append(body);
  if (im?.type === 2 && !continued) li.prepend(li.querySelector(".used"));
  return li;
}

function head(m) {
  const at = new Date(m.timestamp);
  return el("div", { className: "who" }, el("b", {}, nameOf(m.author)), m.author.bot && el("span", { className: "tag" }, "APP"),
    el("time", { dateTime: m.timestamp, title: full(at) }, clock(at)),
    m.flags & SILENT ? el("span", { className: "edited" }, "sent silently") : null);
}

function text(m, c) {
  const t = markdown(m.content, c);
  if (m.failed) t.classList.add("failed");
  if (m.edited_timestamp && !m.interaction_metadata) {
    (t.lastElementChild ?? t).append(" ", el("span", { className: "edited", title: full(new Date(m.edited_timestamp)) }, "(edited)"));
  }
  return t;
}

function only(m, dismiss) {
  return el("div", { className: "only" },
    icon("M2 12s3.5-6.5 10-6.5S22 12 22 12s-3.5 6.5-10 6.5S2 12 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z"),
    "Only you can see this", el("button", { type: "button", onclick: () => dismiss(m) }, "Dismiss"));
}

function embed(e, c) {
  const box = el("div", { className: "embed" });
  if (e.color) box.style.borderLeftColor = "#" + e.color.toString(16).padStart(6, "0");
  if (e.author) box.append(el("div", { className: "author" }, e.author.name));
  if (e.title) box.append(el("h4", {}, e.url ? el("a", { href: safe(e.url), target: "_blank", rel: "noopener noreferrer" }, inline(e.title, c)) : inline(e.title, c)));
  if (e.description) box.append(markdown(e.description, c));
  if (e.fields?.length) {
    box.append(el("dl", { className: "fields" }, e.fields.map((f) =>
      el("div", { className: f.inline ? "inline" : "" }, el("dt", {}, inline(f.name, c)), el("dd", {}, markdown(f.value, c))))));
  }
  const thumb = e.thumbnail?.url?.startsWith("/sim/files/") && el("img", { className: "thumb", src: e.thumbnail.url, alt: "" });
  if (thumb) box.append(thumb);
  const picture = e.image?.url?.startsWith("/sim/files/") && el("img", { className: "picture", src: e.image.url, alt: "" });
  if (picture) box.append(picture);
  const small = [e.footer?.text, e.timestamp && full(new Date(e.timestamp))].filter(Boolean).join(" · ");
  if (small) box.append(el("div", { className: "small" }, small));
  return box;
}

function safe(url) {
  return /^https?:\/\//.test(url) ? url : "about:blank";
}

// shown says that an embed already shows the file.
function shown(a, m) {
  return m.embeds.some((e) => e.image?.url === a.url || e.thumbnail?.url === a.url);
}

function file(a) {
  if (a.content_type === "image/png" && a.url.startsWith("/sim/files/")) return el("img", { className: "shot", src: a.url, alt: a.filename });
  return el("div", {}, el("a", { className: "file", href: a.url, download: a.filename }, `${a.filename} · ${a.size} bytes`));
}

function row(r, m, world, act) {
  return el("div", { className: "row-buttons" }, (r.components ?? []).map((c) => c.type === 2 ? button(c, m, act) : picker(c, m, world, act)));
}

function button(c, m, act) {
  const label = [c.emoji?.name, c.label].filter(Boolean).join(" ");
  if (c.style === 5) return el("a", { className: "btn", href: safe(c.url), target: "_blank", rel: "noopener noreferrer" }, label + " ↗");
  const b = el("button", { type: "button", className: "btn s" + c.style, disabled: c.disabled }, label);
  b.addEventListener("click", () => busy(b, () => act(m, c.custom_id)));
  return b;
}

async function busy(b, work) {
  b.classList.add("busy");
  b.disabled = true;
  try { await work(); } finally { b.classList.remove("busy"); b.disabled = false; }
}

// picker is a select: of options, of people or of channels.
function picker(c, m, world, act) {
  const items = c.options ?? (c.type === 8
    ? world.guilds.flatMap((g) => g.channels).map((ch) => ({ label: "#" + ch.name, value: ch.id }))
    : world.users.map((u) => ({ label: u.name, value: u.id })));
  const label = c.placeholder || "Make a selection";
  if ((c.max_values ?? 1) > 1) return several(c, m, items, label, act);
  const s = el("select", { className: "pick", disabled: c.disabled, "aria-label": label });
  if (!items.some((o) => o.default)) s.append(el("option", { value: "", disabled: true, selected: true }, label));
  s.append(...items.map((o) => el("option", { value: o.value, selected: o.default }, [o.emoji?.name, o.label, o.description && "— " + o.description].filter(Boolean).join(" "))));
  s.addEventListener("change", () => act(m, c.custom_id, [s.value]));
  return s;
}

function several(c, m, items, label, act) {
  const boxes = items.map((o) => el("input", { type: "checkbox", value: o.value, checked: o.default }));
  const ok = el("button", { type: "button", className: "btn s1" }, "Choose");
  ok.addEventListener("click", () => busy(ok, () => act(m, c.custom_id, boxes.filter((b) => b.checked).map((b) => b.value))));
  return el("details", { className: "many" }, el("summary", {}, label), items.map((o, i) => el("label", {}, boxes[i], o.label)), ok);
}

// form opens a modal of the bot and calls submit with its values.
export function form(dialog, modal, submit) {
  const inputs = modal.components.flatMap((r) => r.components ?? []);
  const complaint = el("p", { className: "complaint", hidden: true, role: "alert" });
  const fields = inputs.map((c) => {
    const required = c.required ?? true;
    const i = el(c.style === 2 ? "textarea" : "input", { name: c.custom_id, value: c.value ?? "", placeholder: c.placeholder ?? "", required, maxLength: c.max_length || 4000, rows: c.style === 2 ? 4 : undefined });
    return el("label", {}, c.label + (required ? "" : " (optional)"), i);
  });
  const f = el("form", {}, el("h2", {}, modal.title), fields, complaint, el("div", { className: "row" },
    el("button", { type: "button", className: "btn", onclick: () => dialog.close() }, "Cancel"), el("button", { type: "submit", className: "btn s1" }, "Submit")));
  f.addEventListener("submit", async (ev) => {
    ev.preventDefault();
    try {
      await submit(Object.fromEntries(new FormData(f)));
      dialog.close();
    } catch (err) {
      complaint.textContent = err.message;
      complaint.hidden = false;
    }
  });
  dialog.replaceChildren(f);
  dialog.showModal();
}
