// The console: who you are, where you are, what is said there.
import { el, face, get, locale, nameOf, send, speak } from "./api.js";
import { composer } from "./composer.js";
import { faults } from "./faults.js";
import { form, message } from "./message.js";

const $ = (id) => document.getElementById(id);
const state = { world: null, user: null, room: null, log: [], unread: new Map(), mark: null, commands: [] };

const me = () => state.world.users.find((u) => u.id === state.user);
const channels = () => state.world.guilds.flatMap((g) => g.channels.map((c) => ({ ...c, guild: g })));
const isDM = () => state.room === me().dm;
const key = (user, room) => user + "/" + room;
const unread = (user, room) => state.unread.get(key(user, room)) ?? 0;
const unreadOf = (user) => [...state.unread].filter(([k]) => k.startsWith(user + "/")).reduce((n, [, v]) => n + v, 0);

// ---- people and channels ----

function side() {
  const { users, guilds, bot } = state.world;
  $("people").replaceChildren(...users.map((u) => el("li", {}, el("button", {
    type: "button", "aria-current": u.id === state.user ? "true" : null, className: unreadOf(u.id) ? "unread" : "", onclick: () => go(u.id),
  }, face(u, state.world), el("span", { className: "label" }, u.name), u.closed_dms && el("span", { className: "note" }, "DMs closed"), badge(unreadOf(u.id))))));
  tongue();
  $("direct").replaceChildren(room(me().dm, face(bot, state.world), bot.username, "APP"));
  $("guilds").replaceChildren(...guilds.flatMap((g) => [el("h2", {}, g.name), el("ul", { className: "rooms" },
    g.channels.map((c) => room(c.id, el("span", { className: "hash", "aria-hidden": "true" }, "#"), c.name)))]));
  $("menu-dot").hidden = !users.some((u) => unreadOf(u.id));
  const waiting = users.reduce((n, u) => n + unreadOf(u.id), 0);
  document.title = (waiting ? `(${waiting}) ` : "") + "Stand-in Discord";
}

// tongue shows in which language the person uses Discord.
function tongue() {
  if (document.activeElement === $("locale")) return;
  const names = new Intl.DisplayNames("en", { type: "language" });
  $("locale").replaceChildren(...state.world.locales.map((l) => el("option", { value: l, selected: l === me().locale }, names.of(l))));
}

async function choose(language) {
  await send("/sim/locale", { user: state.user, locale: language });
  await reload();
  await go(state.user, state.room);
}

function room(id, picture, label, tag) {
  const n = unread(state.user, id);
  return el("li", {}, el("button", { type: "button", "aria-current": id === state.room ? "true" : null, className: n ? "unread" : "", onclick: () => go(state.user, id) },
    picture, el("span", { className: "label" }, label), tag && el("span", { className: "tag" }, tag), badge(n)));
}

function badge(n) {
  return n ? el("span", { className: "count", "aria-label": n + " unread" }, String(n)) : null;
}

function openSide(open) {
  $("side").classList.toggle("open", open);
  $("veil").hidden = !open;
  $("menu").setAttribute("aria-expanded", String(open));
}

// ---- the conversation ----

async function go(user, room) {
  state.user = user;
  state.room = room ?? me().dm;
  speak(me().locale);
  const waiting = unread(user, state.room);
  state.unread.delete(key(user, state.room));
  localStorage.setItem("here", JSON.stringify({ user, room: room && room !== me().dm ? room : null }));
  const here = key(user, state.room);
  const log = await get(`/sim/messages?user=${user}&channel=${state.room}`);
  if (here !== key(state.user, state.room)) return;
  state.log = log;
  state.mark = waiting ? log.at(-waiting)?.id : null;
  openSide(false);
  write.reset();
  bar();
  side();
  draw(true);
}

function bar() {
  const ch = channels().find((c) => c.id === state.room);
  $("room-name").textContent = isDM() ? state.world.bot.username : "# " + ch?.name;
  $("room-note").textContent = isDM() ? `direct messages of ${me().name}` : `${ch?.guild.name}, as ${me().name}`;
  write.placeholder(isDM() ? `Message ${state.world.bot.username}, or type /` : `Message #${ch?.name}, or type /`);
}

function status(connected, words = connected > 0 ? "Bot connected" : "Bot not connected") {
  state.world.connected = connected;
  $("status").classList.toggle("on", connected > 0);
  $("status").replaceChildren(el("span", {}, words));
  $("status").title = $("status").textContent;
}

function draw(end) {
  const log = $("log");
  const near = end || log.scrollHeight - log.scrollTop - log.clientHeight < 120;
  const out = state.log.length ? [] : [hello()];
  let before = null;
  for (const m of state.log) {
    const day = new Date(m.timestamp).toDateString();
    if (before && day !== new Date(before.timestamp).toDateString()) out.push(el("li", { className: "day" }, day));
    if (m.id === state.mark) { out.push(el("li", { className: "day fresh" }, "New")); before = null; }
    const continued = before && before.author.id === m.author.id && !m.only_for === !before.only_for
      && m.interaction_metadata?.id === before.interaction_metadata?.id && new Date(m.timestamp) - new Date(before.timestamp) < 420e3;
    out.push(message(m, { world: state.world, continued, act: press, dismiss, called }));
    before = m;
  }
  log.replaceChildren(...out);
  if (near) log.scrollTop = log.scrollHeight;
}

// A log that was read to its end stays at its end when its size changes.
function stick() {
  const log = $("log");
  let end = true;
  log.addEventListener("scroll", () => { end = log.scrollHeight - log.scrollTop - log.clientHeight < 40; });
  new ResizeObserver(() => { if (end) log.scrollTop = log.scrollHeight; }).observe(log);
}

function hello() {
  const { bot } = state.world;
  const chips = leaves(state.commands).sort((a, b) => rank(a.sent) - rank(b.sent)).slice(0, 8);
  const text = chips.length ? `Type /${called("link")} to say which player you are, or /${called("watch add")} to be told when somebody comes online. Pick another person on the left to see Discord through their eyes.`
    : "The bot has not registered its commands yet. They appear here as soon as it has.";
  return el("li", { className: "hello" }, isDM() && face(bot, state.world), el("h2", {}, isDM() ? bot.username : $("room-name").textContent),
    el("p", {}, `This is the beginning of what ${me().name} sees here. ${text}`),
    el("div", { className: "chips" }, chips.map((c) => el("button", { type: "button", onclick: () => write.fill(`/${c.path} ${c.first}`) }, "/" + c.path))));
}

const wanted = ["link", "watch add", "friends", "online", "status", "help"];
const rank = (c) => (wanted.includes(c) ? wanted.indexOf(c) : 99);

// leaves are all that can be called: the path as the person reads it and as it is
// sent, and the option that comes first if it cannot be left out.
function leaves(commands) {
  const walk = (path, sent, options = []) => {
    const subs = options.filter((o) => o.type <= 2);
    if (subs.length) return subs.flatMap((o) => walk(path + " " + named(o), sent + " " + o.name, o.options));
    return [{ path, sent, first: options[0]?.required ? named(options[0]) + ":" : "" }];
  };
  return commands.filter((c) => c.type === 1).flatMap((c) => walk(named(c), c.name, c.options));
}

const named = (o) => o.name_localizations?.[locale()] ?? o.name;

// called is the path of a command in the person's language.
const called = (sent) => leaves(state.commands).find((c) => c.sent === sent)?.path ?? sent;

// ---- what a person does ----

const here = () => ({ user: state.user, channel: state.room });

async function submit(text, values) {
  if (!text.startsWith("/")) return send("/sim/say", { ...here(), text });
  await act(() => send("/sim/command", { ...here(), text, values, no_wait: true }));
}

function press(m, customID, values) {
  return act(() => send("/sim/press", { user: state.user, message: m.id, custom_id: customID, values, no_wait: true })).catch((err) => whisper(err.message));
}

// act does something the bot must answer and shows a form if it opens one.
async function act(work) {
  const who = state.user;
  try {
    const a = await work();
    if (a.kind === "modal") {
      form($("modal"), a.modal, (values) => act(() => send("/sim/modal", { user: who, interaction: a.interaction_id, values, no_wait: true })));
    }
  } catch (err) {
    if (err.status !== 504) throw err;
    whisper("The application did not respond");
  }
}

// whisper adds a line of the console's own.
function whisper(content) {
  state.log.push({
    id: "local-" + Date.now(), local: true, failed: true, only_for: state.user, flags: 64, author: state.world.bot, content, channel_id: state.room,
    timestamp: new Date().toISOString(), embeds: [], attachments: [], components: [],
  });
  draw(true);
}

async function dismiss(m) {
  state.log = state.log.filter((o) => o.id !== m.id);
  draw();
  if (!m.local) await send("/sim/messages/" + m.id, undefined, "DELETE");
}

// ---- what happens ----

function arrived(m) {
  const readers = m.only_for ? [m.only_for] : m.recipient ? [m.recipient] : [state.user];
  for (const user of readers) {
    const reading = user === state.user && m.channel_id === state.room;
    if (reading) {
      if (!state.log.some((o) => o.id === m.id)) state.log.push(m);
      draw(m.author.id === state.user);
    }
    if ((!reading || document.hidden) && m.author.id !== user) state.unread.set(key(user, m.channel_id), unread(user, m.channel_id) + 1);
  }
  side();
}

function edited(m) {
  const i = state.log.findIndex((o) => o.id === m.id);
  if (i < 0) return;
  state.log[i] = m;
  draw();
}

async function reload() {
  state.world = await get("/sim/world");
  state.commands = await get("/sim/commands");
  status(state.world.connected);
}

function listen(drawer) {
  const events = new EventSource("/sim/events");
  const on = (name, f) => events.addEventListener(name, (ev) => f(JSON.parse(ev.data)));
  let lost = false;
  events.onerror = () => { lost = true; status(0, "Stand-in stopped, trying again"); };
  events.onopen = async () => { if (lost) { lost = false; await reload(); await go(state.user, state.room); } };
  on("message_create", arrived);
  on("message_update", edited);
  on("message_delete", (m) => { state.log = state.log.filter((o) => o.id !== m.id); draw(); });
  on("gateway", (g) => status(g.connected));
  on("faults", drawer.show);
  on("commands", async () => { state.commands = await get("/sim/commands"); if (!state.log.length) draw(); });
  on("world", async () => { await reload(); speak(me().locale); side(); draw(); });
}

const write = composer({ here, submit });

async function main() {
  await reload();
  const drawer = faults({ world: () => state.world, changed: async () => { await reload(); side(); } });
  drawer.show(await get("/sim/faults"));
  stick();
  $("menu").addEventListener("click", () => openSide(!$("side").classList.contains("open")));
  $("locale").addEventListener("change", () => choose($("locale").value));
  $("veil").addEventListener("click", () => openSide(false));
  document.addEventListener("keydown", (ev) => { if (ev.key === "Escape") openSide(false); });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && state.unread.delete(key(state.user, state.room))) side();
  });
  let last = {};
  try { last = JSON.parse(localStorage.getItem("here")) ?? {}; } catch { /* a first visit */ }
  const user = state.world.users.some((u) => u.id === last.user) ? last.user : state.world.users[0].id;
  const known = channels().some((c) => c.id === last.room);
  await go(user, known ? last.room : undefined);
  listen(drawer);
  // With a keyboard people begin to type; on a phone the focus would open one.
  if (matchMedia("(hover: hover) and (pointer: fine)").matches) $("text").focus();
}

main().catch((err) => { document.body.textContent = "The console could not start: " + err.message; });
