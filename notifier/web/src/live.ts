// The live page: who is coming and going and fighting now.

import { signal } from "@preact/signals";
import { html, render } from "htm/preact";
import type { VNode } from "preact";
import { Banner, Bar, Dot, Worlds } from "./bar";
import { start } from "./feed";
import { filters, readAddress } from "./filters";
import { Person, Row } from "./rows";
import { fights, now, online, onlineMore, presence, worlds, type Line } from "./state";
import type { Player, World } from "./types";
import { age } from "./words";

const tab = signal<"presence" | "online">("presence");

function worldName(line: Line): string {
  if (!("received_at" in line) || filters.value.worlds.length === 1) return "";
  return worlds.value.find((w) => w.world === line.world)?.name ?? "";
}

function rows(lines: Line[]): VNode[] {
  return lines.map((line) => html`<${Row} key=${line.id} line=${line} world=${worldName(line)} />`);
}

function empty(text: string): VNode {
  return html`<p class="none">${text}</p>`;
}

function Fights(): VNode {
  const shown = filters.value.groups.some((g) => g !== "presence");
  return html`<section class="panel fights" aria-labelledby="h-fights">
    <h2 id="h-fights">Fighting</h2>
    ${fights.value.length > 0
      ? html`<ol class="rows" tabindex="0" aria-labelledby="h-fights">${rows(fights.value)}</ol>`
      : empty(shown ? "Nothing yet. Kills, captures and alerts show here as they happen." : "No kinds are chosen above.")}
  </section>`;
}

/** calm says whether changes are few enough to be read aloud. */
function calm(): boolean {
  return filters.value.outfits.length + filters.value.players.length > 0;
}

function Presence(): VNode {
  const lines = presence.value;
  if (!filters.value.groups.includes("presence")) return empty("Logins are filtered out above.");
  return html`<div role="log" aria-live=${calm() ? "polite" : "off"} aria-label="Coming and going">
    ${lines.length > 0 ? html`<ol class="rows" tabindex="0" aria-label="Coming and going">${rows(lines)}</ol>` : empty("Nobody has come or gone in the last minutes.")}
  </div>`;
}

function OnlineRow({ p }: { p: Player }): VNode {
  const since = p.since ? age(now.value - Date.parse(p.since)) : "";
  return html`<li class="row player"><${Person} who=${p.character} />
    <span class="where">${filters.value.worlds.length === 1 ? p.zone_name : p.world_name}</span><span class="for">${since}</span></li>`;
}

function Online(): VNode {
  const list = online.value;
  if (list.length === 0) return empty("Nobody that fits the filters is known to be online.");
  return html`<ol class="rows" tabindex="0" aria-label="Online now">
    ${list.slice(0, 200).map((p) => html`<${OnlineRow} key=${p.character?.id} p=${p} />`)}
  </ol>${(onlineMore.value || list.length > 200) && html`<p class="none">There are more; choose a world or an outfit.</p>`}`;
}

function Tab({ name, label }: { name: "presence" | "online"; label: string }): VNode {
  return html`<button type="button" role="tab" id=${`tab-${name}`} aria-controls="people" aria-selected=${tab.value === name}
    tabindex=${tab.value === name ? 0 : -1} onClick=${() => { tab.value = name; }}>${label}</button>`;
}

/** other moves between the two tabs, as arrow keys do everywhere. */
function other(e: KeyboardEvent): void {
  if (e.key !== "ArrowLeft" && e.key !== "ArrowRight") return;
  tab.value = tab.value === "presence" ? "online" : "presence";
  requestAnimationFrame(() => document.getElementById(`tab-${tab.value}`)?.focus());
}

function People(): VNode {
  const n = onlineMore.value ? `${online.value.length}+` : String(online.value.length);
  return html`<section class="panel people" aria-label="Players">
    <div role="tablist" aria-label="Players" class="tabs" onKeyDown=${other}>
      <${Tab} name="presence" label="Coming and going" /><${Tab} name="online" label=${`Online ${n}`} />
    </div>
    <div id="people" role="tabpanel" aria-labelledby=${`tab-${tab.value}`}>
      ${tab.value === "presence" ? html`<${Presence} />` : html`<${Online} />`}
    </div>
  </section>`;
}

function App(): VNode {
  return html`<${Banner} /><${Worlds} /><main id="main" class="live">
    <h1 class="hidden">Live: who is coming and going and fighting now</h1>
    <${Bar} /><div class="panels"><${Fights} /><${People} /></div></main>`;
}

const app = document.getElementById("app");
const head = document.getElementById("connection");
if (app && head) {
  worlds.value = JSON.parse(app.dataset.worlds ?? "[]") as World[];
  app.replaceChildren();
  render(html`<${App} />`, app);
  render(html`<${Dot} />`, head);
  void readAddress().catch(() => {}).then(start);
}
