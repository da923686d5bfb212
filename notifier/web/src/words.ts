// How things are written.

import type { Who } from "./types";

const factions = ["", "VS", "NC", "TR", "NS"];

/** faction returns the short name that stands beside the colour. */
export function faction(n: number): string {
  return factions[n] ?? "";
}

/** shown returns a name, or the placeholder until it is known. */
export function shown(who: Who): string {
  return who.name || `Player …${who.id.slice(-4)}`;
}

const zones: Record<number, string> = {
  2: "Indar", 4: "Hossin", 6: "Amerish", 8: "Esamir", 10: "Nexus", 14: "Koltyr",
  95: "Tutorial", 96: "VR Training", 97: "VR Training", 98: "VR Training",
  344: "Oshur", 361: "Desolation", 362: "Sanctuary", 364: "Tutorial",
};

/** zone returns a continent's name; instances share that of their definition. */
export function zone(n: number | undefined): string {
  if (!n) return "";
  return zones[n & 0xffff] ?? `Zone ${n & 0xffff}`;
}

const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });

/** clock writes a moment as the viewer's time of day, 15:04:05. */
export function clock(ms: number): string {
  return time.format(ms);
}

/** age writes how long ago something was, in the unit that fits. */
export function age(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 90) return `${s} s`;
  if (s < 90 * 60) return `${Math.floor(s / 60)} min`;
  if (s < 48 * 3600) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

/** count writes a number in little room: 940, 1.2k, 31k. */
export function count(n: number): string {
  if (n < 1000) return String(n);
  return n < 10000 ? `${(n / 1000).toFixed(1)}k` : `${Math.round(n / 1000)}k`;
}

type Detail = Record<string, unknown> | null;

/** text reads a detail that is text, a number, or a thing with a name; one whose
 * name is not known shows its id. */
export function text(d: Detail, key: string): string {
  const v = d?.[key];
  if (typeof v === "string" || typeof v === "number") return String(v);
  const { name, id } = (v ?? {}) as { name?: unknown; id?: unknown };
  if (typeof name === "string" && name !== "") return name;
  return typeof id === "string" && id !== "0" ? `#${id}` : "";
}

/** flag reads a detail that is true or false. */
export function flag(d: Detail, key: string): boolean {
  return d?.[key] === true;
}
