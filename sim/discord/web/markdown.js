// Discord's markdown as DOM nodes.
import { el, locale } from "./api.js";

// Inline forms, tried in this order at each position.
const forms = [
  [/^\\([^\w\s])/, (m) => m[1]],
  [/^``([^`]|`(?!`))+``/, (m) => el("code", {}, m[0].slice(2, -2))],
  [/^`([^`\n]+)`/, (m) => el("code", {}, m[1])],
  [/^\*\*\*(.+?)\*\*\*/s, (m, c) => el("strong", {}, el("em", {}, inline(m[1], c)))],
  [/^\*\*(.+?)\*\*(?!\*)/s, (m, c) => el("strong", {}, inline(m[1], c))],
  [/^__(.+?)__(?!_)/s, (m, c) => el("u", {}, inline(m[1], c))],
  [/^~~(.+?)~~/s, (m, c) => el("s", {}, inline(m[1], c))],
  [/^\|\|(.+?)\|\|/s, (m, c) => el("span", { className: "spoiler", tabIndex: 0 }, inline(m[1], c))],
  [/^\*(?!\s)([^*]+?)(?<!\s)\*/s, (m, c) => el("em", {}, inline(m[1], c))],
  [/^_(?!\s)([^_]+?)_(?!\w)/s, (m, c) => el("em", {}, inline(m[1], c))],
  [/^<t:(-?\d{1,13})(?::([tTdDfFR]))?>/, (m) => moment(Number(m[1]), m[2] ?? "f")],
  [/^<@!?(\d+)>/, (m, c) => el("span", { className: "at" }, "@" + c.user(m[1]))],
  [/^<#(\d+)>/, (m, c) => el("span", { className: "at" }, "#" + c.channel(m[1]))],
  [/^<@&\d+>/, () => el("span", { className: "at" }, "@role")],
  [/^<\/([^:>]+):\d+>/, (m) => el("span", { className: "at" }, "/" + m[1])],
  [/^<a?:(\w+):\d+>/, (m) => ":" + m[1] + ":"],
  [/^\[([^\]\n]+)\]\(<?(https?:\/\/[^\s)>]+)>?\)/, (m, c) => link(m[2], inline(m[1], c))],
  [/^<(https?:\/\/[^\s>]+)>/, (m) => link(m[1], m[1])],
  [/^https?:\/\/[^\s<>]*[^\s<>.,:;"')\]]/, (m) => link(m[0], m[0])],
];

function link(href, text) {
  return el("a", { href, target: "_blank", rel: "noopener noreferrer" }, text);
}

// inline renders text without blocks. c names users and channels.
export function inline(text, c) {
  const out = [];
  let plain = "";
  for (let i = 0; i < text.length;) {
    const rest = text.slice(i);
    let hit = null;
    if (/^[\\`*_~|<[h]/.test(rest) && !(rest[0] === "_" && /\w$/.test(plain))) {
      for (const [re, make] of forms) {
        const m = re.exec(rest);
        if (m) { hit = [m[0].length, make(m, c)]; break; }
      }
    }
    if (!hit) { plain += text[i++]; continue; }
    if (plain) { out.push(plain); plain = ""; }
    out.push(hit[1]);
    i += hit[0];
  }
  if (plain) out.push(plain);
  return out.flat();
}

// markdown renders a whole text.
export function markdown(text, c) {
  const root = el("div", { className: "md" });
  for (const part of text.split(/(```(?:\w*\n)?[\s\S]+?```)/)) {
    const fence = /^```(?:\w*\n)?([\s\S]+?)\n?```$/.exec(part);
    if (fence) root.append(el("pre", {}, fence[1]));
    else if (part.trim()) blocks(part.replace(/^\n|\n$/g, ""), c, root);
  }
  return root;
}

function blocks(text, c, root) {
  let para = [], list = null, quote = null;
  const flush = () => {
    if (para.length) root.append(el("p", {}, inline(para.join("\n"), c)));
    para = [];
  };
  for (const line of text.split("\n")) {
    const bullet = /^\s*[-*] (.+)/.exec(line), head = /^(#{1,3}) (.+)/.exec(line);
    const small = /^-# (.+)/.exec(line), quoted = /^> ?(.*)/.exec(line);
    if (bullet || head || small || quoted) flush();
    if (!bullet) list = null;
    if (!quoted) quote = null;
    if (bullet) (list ??= append(root, el("ul"))).append(el("li", {}, inline(bullet[1], c)));
    else if (quoted) (quote ??= append(root, el("blockquote"))).append(el("div", {}, inline(quoted[1], c)));
    else if (head) root.append(el("h4", { className: "h" + head[1].length }, inline(head[2], c)));
    else if (small) root.append(el("small", {}, inline(small[1], c)), el("br"));
    else para.push(line);
  }
  flush();
}

function append(parent, child) {
  parent.append(child);
  return child;
}

const shapes = {
  t: { timeStyle: "short" }, T: { timeStyle: "medium" }, d: { dateStyle: "short" }, D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" }, F: { dateStyle: "full", timeStyle: "short" },
};

// moment is a time in the reader's own zone; a relative one stays fresh.
function moment(unix, shape) {
  const at = new Date(unix * 1000);
  if (isNaN(at)) return "<t:" + unix + ">";
  const long = new Intl.DateTimeFormat(locale(), shapes.F).format(at);
  const t = el("time", { dateTime: at.toISOString(), title: long });
  if (shape === "R") t.dataset.unix = unix;
  t.textContent = shape === "R" ? ago(unix) : new Intl.DateTimeFormat(locale(), shapes[shape]).format(at);
  return t;
}

const steps = [[31536000, "year"], [2592000, "month"], [86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]];

function ago(unix) {
  const d = unix - Date.now() / 1000;
  const [size, unit] = steps.find(([s]) => Math.abs(d) >= s) ?? [1, "second"];
  return new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(Math.round(d / size), unit);
}

setInterval(() => {
  for (const t of document.querySelectorAll("time[data-unix]")) {
    const now = ago(Number(t.dataset.unix));
    if (t.textContent !== now) t.textContent = now;
  }
}, 1000);
