// What the page shows. Events come in faster than a screen is drawn: they are
// collected and shown once per frame, and not at all while nobody looks.

import { batch, signal } from "@preact/signals";
import { filters, matchesWho } from "./filters";
import type { Heartbeat, Item, Player, Snapshot, Stream, Who, World } from "./types";

/** limit bounds each list. */
const limit = 200;
const knownNames = 5000;

/** gap is a line that says that events may be missing. */
export type Line = Item | { id: string; kind: "gap"; at: number };

export const worlds = signal<World[]>([]);
export const fights = signal<Line[]>([]);
export const presence = signal<Line[]>([]);
export const online = signal<Player[]>([]);
export const onlineMore = signal(false);
export const paused = signal(false);
export const waiting = signal(0); // lines that came while paused
export const now = signal(Date.now()); // the server's clock, in steps of a second
export const lagged = signal(0); // events that we were too slow for

const next = { fights: [] as Line[], presence: [] as Line[], online: new Map<string, Player>() };
const seen = new Set<string>();
const names = new Map<string, Who>();
let offset = 0; // the server's clock less ours, milliseconds
let drawing = false;

export function setClock(serverMs: number): void {
  offset = serverMs - Date.now();
  now.value = serverMs;
}

export function serverNow(): number {
  return Date.now() + offset;
}

/** reset forgets every line: other filters, another list. */
export function reset(): void {
  next.fights = [];
  next.presence = [];
  seen.clear();
  draw(true);
}

export function setSnapshot(s: Snapshot): void {
  setClock(Date.parse(s.time));
  next.online = new Map();
  for (const p of s.online) if (p.character) next.online.set(p.character.id, p);
  batch(() => {
    worlds.value = s.worlds;
    onlineMore.value = s.more;
  });
  schedule();
}

export function setStream(s: Stream): void {
  const list = worlds.value;
  if (!list.some((w) => w.world === s.world)) {
    worlds.value = [...list, { world: s.world, name: s.name, online: 0, stream: s }];
    return;
  }
  worlds.value = list.map((w) => (w.world === s.world ? { ...w, stream: s } : w));
}

export function setHeartbeat(h: Heartbeat): void {
  setClock(h.time);
  batch(() => {
    for (const s of h.streams) setStream(s);
    if (h.online) worlds.value = worlds.value.map((w) => ({ ...w, online: h.online?.[w.world] ?? 0 }));
  });
}

/** add takes one event, once. */
export function add(item: Item): void {
  if (seen.has(item.id)) return;
  seen.add(item.id);
  if (seen.size > 20 * limit) for (const id of [...seen].slice(0, 10 * limit)) seen.delete(id);
  fill(item);
  touch(item);
  if (item.kind === "login" || item.kind === "logout") {
    put(next.presence, item);
    come(item);
  } else if (!crowd(item)) {
    put(next.fights, item);
  }
  if (paused.value) waiting.value++;
  schedule();
}

/** crowd says that an item is one of the many who helped to take or hold a base,
 * which are of interest only when somebody is asked for. */
function crowd(item: Item): boolean {
  const f = filters.value;
  return item.character !== null && (item.kind === "capture" || item.kind === "defend") && f.outfits.length + f.players.length === 0;
}

/** gap notes in both lists that events may be missing here. */
export function gap(): void {
  const line: Line = { id: `gap-${serverNow()}`, kind: "gap", at: serverNow() / 1000 };
  if (next.fights.length > 0) put(next.fights, line);
  if (next.presence.length > 0) put(next.presence, line);
  schedule();
}

function put(list: Line[], line: Line): void {
  list.unshift(line);
  if (list.length > limit) list.length = limit;
}

/** touch keeps the age of a world's newest event true between heartbeats. */
const newest = new Map<number, number>();
function touch(item: Item): void {
  newest.set(item.world, Math.max(newest.get(item.world) ?? 0, item.received_at / 1e6));
}

export function newestOf(w: World): number {
  const told = w.stream?.last_event_at ? Date.parse(w.stream.last_event_at) : 0;
  return Math.max(told, newest.get(w.world) ?? 0);
}

function come(item: Item): void {
  const who = item.character;
  if (!who) return;
  if (item.kind === "logout") {
    next.online.delete(who.id);
    return;
  }
  next.online.delete(who.id);
  const name = worlds.value.find((w) => w.world === item.world)?.name ?? "";
  const p: Player = { character: who, online: true, world: item.world, world_name: name, since: new Date(item.at * 1000).toISOString() };
  next.online = new Map([[who.id, p], ...next.online]);
  if (next.online.size > 600) next.online = new Map([...next.online].slice(0, 500));
}

function fill(item: Item): void {
  if (item.character && !item.character.name) item.character = names.get(item.character.id) ?? item.character;
  if (item.other && !item.other.name) item.other = names.get(item.other.id) ?? item.other;
}

/** learn repairs the placeholders of everybody in list, wherever they show. */
export function learn(list: Who[]): void {
  for (const who of list) names.set(who.id, who);
  if (names.size > knownNames) for (const id of [...names.keys()].slice(0, knownNames / 2)) names.delete(id);
  const fix = (who: Who | null) => (who && !who.name && names.get(who.id)) || who;
  const line = (l: Line): Line => {
    if (!("received_at" in l)) return l;
    const character = fix(l.character), other = fix(l.other);
    return character === l.character && other === l.other ? l : { ...l, character, other };
  };
  next.fights = next.fights.map(line);
  next.presence = next.presence.map(line);
  for (const [id, p] of next.online) {
    const character = fix(p.character);
    if (character !== p.character) next.online.set(id, { ...p, character });
  }
  if (paused.value) { // names are repaired even in what stands still
    fights.value = fights.value.map(line);
    presence.value = presence.value.map(line);
  }
  schedule();
}

function schedule(): void {
  if (drawing || document.hidden) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; draw(false); });
}

function draw(force: boolean): void {
  batch(() => {
    const f = filters.value;
    online.value = [...next.online.values()].filter(
      (p) => (f.worlds.length === 0 || f.worlds.includes(p.world ?? 0)) && matchesWho(f, [p.character]));
    if (paused.value && !force) return;
    fights.value = [...next.fights];
    presence.value = [...next.presence];
    waiting.value = 0;
  });
}

/** setPaused stops the lists, or shows what has come meanwhile. */
export function setPaused(on: boolean): void {
  paused.value = on;
  if (!on) draw(true);
}

document.addEventListener("visibilitychange", schedule);
setInterval(() => { if (!document.hidden) now.value = serverNow(); }, 1000);
