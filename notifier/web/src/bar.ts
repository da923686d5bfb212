// The strip of worlds, the filters, and the word about the connection.

import { signal } from "@preact/signals";
import { html } from "htm/preact";
import type { VNode } from "preact";
import { connection, start } from "./feed";
import { filters, findOutfit, findPlayer, groups, writeAddress, type Filters, type Named } from "./filters";
import { newestOf, now, paused, setPaused, waiting, worlds } from "./state";
import type { World } from "./types";
import { age, clock, count } from "./words";

/** set puts other filters in force. */
function set(change: Partial<Filters>): void {
  filters.value = { ...filters.value, ...change };
  writeAddress(filters.value);
  void start();
}

function toggle<T>(list: T[], x: T): T[] {
  return list.includes(x) ? list.filter((y) => y !== x) : [...list, x];
}

const meaning: Record<string, string> = {
  live: "events come as they should", late: "events come seconds behind the game's clock",
  silent: "connected, but nothing comes although people play", down: "not connected to the game",
  reconciling: "events have begun to come, who is online is being checked", none: "no listener follows this world",
};

function total(perMinute: Record<string, number>): number {
  return Object.values(perMinute).reduce((sum, n) => sum + n, 0);
}

function plural(n: number, what: string): string {
  return `${count(n)} ${what}${n === 1 ? "" : "s"}`;
}

function WorldCard({ w }: { w: World }): VNode {
  const s = w.stream;
  const health = s?.health ?? "none";
  const on = filters.value.worlds.includes(w.world);
  const newest = newestOf(w);
  const lost = connection.value.state === "lost";
  return html`<li class="world" data-health=${health}>
    <button type="button" aria-pressed=${on} onClick=${() => set({ worlds: toggle(filters.value.worlds, w.world) })}
      title=${`${w.name}: ${meaning[health]}${s?.reason ? ` (${s.reason})` : ""}`}>
      <span class="world-name">${w.name}</span>
      <span class="world-online">${s && html`${w.online.toLocaleString()}<span class="unit"> online</span>`}</span>
      <span class="state" data-health=${health}>${!s ? "not followed" : lost ? `was ${health}` : health}${s && health !== "live" && health !== "reconciling" && html` <span class="since">since ${clock(Date.parse(s.since)).slice(0, 5)}</span>`}</span>
      ${s && html`<span class="fresh">${newest > 0 ? `newest ${age(now.value - newest)} ago` : "\u00a0"}</span>
      <span class="rates">${s?.per_minute && health !== "down" ? `${plural(s.per_minute.kill ?? 0, "kill")} · ${plural(total(s.per_minute), "event")} /min` : "\u00a0"}</span>`}
    </button>
  </li>`;
}

/** Worlds shows every world's stream and chooses among them. */
export function Worlds(): VNode {
  return html`<ul class="worlds" data-stale=${connection.value.state === "lost"} aria-label="Worlds: press to show only these">
    ${worlds.value.map((w) => html`<${WorldCard} key=${w.world} w=${w} />`)}
  </ul>`;
}

const trouble = signal(""); // what was wrong with the last name typed

async function addNamed(form: HTMLFormElement): Promise<void> {
  const input = form.elements.namedItem("who") as HTMLInputElement;
  const kind = (form.elements.namedItem("kind") as HTMLSelectElement).value as "outfits" | "players";
  const typed = input.value.trim().replace(/^\[(.*)\]$/, "$1");
  if (!typed) return;
  try {
    const found = await (kind === "outfits" ? findOutfit : findPlayer)(typed);
    trouble.value = found ? "" : `No ${kind === "outfits" ? "outfit with the tag" : "player named"} ${typed} has been seen.`;
    if (!found) return;
    input.value = "";
    const list = filters.value[kind];
    if (!list.some((x) => x.id === found.id)) set({ [kind]: [...list, found] });
  } catch {
    trouble.value = "The server does not answer. Try again in a moment.";
  }
}

function chips(kind: "outfits" | "players"): VNode[] {
  return filters.value[kind].map((x: Named) => html`<button type="button" class="chip" key=${x.id}
    onClick=${() => set({ [kind]: filters.value[kind].filter((y) => y.id !== x.id) })}>
    <span>${x.label}</span><span aria-hidden="true">×</span><span class="hidden"> remove filter</span></button>`);
}

/** Bar holds the filters and the pause button. */
export function Bar(): VNode {
  const f = filters.value;
  return html`<section class="bar" aria-label="Filters">
    <form class="find" onSubmit=${(e: SubmitEvent) => { e.preventDefault(); void addNamed(e.currentTarget as HTMLFormElement); }}>
      <select name="kind" aria-label="Filter by"><option value="outfits">Outfit</option><option value="players">Player</option></select>
      <input name="who" type="search" placeholder="tag or name" aria-label="Outfit tag or player name" maxlength="32" autocomplete="off" spellcheck=${false} aria-describedby="trouble" />
      <button type="submit">Add</button>
    </form>
    <button type="button" class="pause" aria-pressed=${paused.value} onClick=${() => setPaused(!paused.value)}>
      ${paused.value ? `Resume${waiting.value ? ` · ${count(waiting.value)} new` : ""}` : "Pause"}
    </button>
    <div class="kinds" role="group" aria-label="Kinds of events">
      ${groups.map((g) => html`<button type="button" class="kind" key=${g.key} aria-pressed=${f.groups.includes(g.key)}
        onClick=${() => set({ groups: toggle(f.groups, g.key) })}>${g.label}</button>`)}
    </div>
    <div class="chips">${chips("outfits")}${chips("players")}</div>
    <p id="trouble" class="trouble" role="status">${trouble.value}</p>
  </section>`;
}

/** Banner says since when nothing comes. */
export function Banner(): VNode | null {
  const c = connection.value;
  return html`<div role="status">${c.state === "lost" && html`<p class="banner">
    <strong>Disconnected since ${clock(c.since)}.</strong> Trying again; what happened meanwhile is filled in as far as it is known.</p>`}</div>`;
}

/** Dot is the connection in the page's head. */
export function Dot(): VNode {
  const c = connection.value;
  const word = { connecting: "connecting", open: "connected", lost: "disconnected" }[c.state];
  return html`<span class="dot" data-state=${c.state} aria-hidden="true"></span>${word}`;
}
