// What the viewer wants to see, kept in the address so that it can be shared.

import { signal } from "@preact/signals";
import type { Who } from "./types";

export type Named = { id: string; label: string };

export type Filters = {
  worlds: number[];
  outfits: Named[];
  players: Named[];
  groups: string[];
};

/** groups are the kinds of events as the page offers them. */
export const groups: { key: string; label: string; kinds: string[] }[] = [
  { key: "presence", label: "Logins", kinds: ["login", "logout"] },
  { key: "kills", label: "Kills", kinds: ["kill"] },
  { key: "vehicles", label: "Vehicles", kinds: ["vehicle_kill"] },
  { key: "bases", label: "Bases", kinds: ["capture", "defend"] },
  { key: "alerts", label: "Alerts", kinds: ["alert", "lock"] },
  { key: "progress", label: "Progress", kinds: ["rank", "achievement", "item", "skill"] },
];

const usual = ["presence", "kills", "vehicles", "bases", "alerts"];

export const filters = signal<Filters>({ worlds: [], outfits: [], players: [], groups: usual });

/** readAddress fills filters from the page's address and finds the names. */
export async function readAddress(): Promise<void> {
  const q = new URLSearchParams(location.search);
  const kinds = q.getAll("kind");
  const [outfits, players] = await Promise.all([
    Promise.all(q.getAll("outfit").slice(0, 20).map(findOutfit)),
    Promise.all(q.getAll("character").slice(0, 20).map(findPlayer)),
  ]);
  filters.value = {
    worlds: q.getAll("world").map(Number).filter((n) => Number.isInteger(n) && n > 0),
    outfits: outfits.filter((x) => x !== null),
    players: players.filter((x) => x !== null),
    groups: kinds.length === 0 ? usual : groups.filter((g) => g.kinds.some((k) => kinds.includes(k))).map((g) => g.key),
  };
}

/** query writes f as the feed takes it. */
export function query(f: Filters): URLSearchParams {
  const q = scope(f);
  for (const g of groups) if (f.groups.includes(g.key)) for (const k of g.kinds) q.append("kind", k);
  return q;
}

function scope(f: Filters): URLSearchParams {
  const q = new URLSearchParams();
  for (const w of f.worlds) q.append("world", String(w));
  for (const o of f.outfits) q.append("outfit", o.id);
  for (const p of f.players) q.append("character", p.id);
  return q;
}

/** writeAddress puts f into the page's address. */
export function writeAddress(f: Filters): void {
  const isUsual = f.groups.length === usual.length && usual.every((g) => f.groups.includes(g));
  const q = (isUsual ? scope(f) : query(f)).toString();
  history.replaceState(null, "", q ? `?${q}` : location.pathname);
}

/** matchesWho says whether f asks for one of people. */
export function matchesWho(f: Filters, people: (Who | null)[]): boolean {
  if (f.outfits.length === 0 && f.players.length === 0) return true;
  return people.some((p) => p && (f.players.some((x) => x.id === p.id) || f.outfits.some((x) => x.id === p.outfit?.id)));
}

/** findOutfit finds an outfit by tag or id, null if there is none. */
export async function findOutfit(tag: string): Promise<Named | null> {
  const o = await ask<{ id: string; tag: string; name: string }>(`/api/v1/outfits/${encodeURIComponent(tag)}`);
  return o && { id: o.id, label: o.tag ? `[${o.tag}] ${o.name}` : o.name };
}

/** findPlayer finds a player by name or id, null if there is none. */
export async function findPlayer(name: string): Promise<Named | null> {
  const c = await ask<{ character: Who }>(`/api/v1/characters/${encodeURIComponent(name)}`);
  return c && { id: c.character.id, label: c.character.name || `Player …${c.character.id.slice(-4)}` };
}

/** ask returns the JSON at path, null for 404; anything else wrong is thrown. */
export async function ask<T>(path: string): Promise<T | null> {
  const res = await fetch(path, { headers: { Accept: "application/json" } });
  if (res.status === 404) return null;
  if (!res.ok) throw new Error(`${path}: ${res.status}`);
  return (await res.json()) as T;
}
