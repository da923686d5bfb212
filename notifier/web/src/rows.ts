// One line of a list. Text goes in as text nodes: names are what players made up.

import { Component, html } from "htm/preact";
import type { ComponentChildren, VNode } from "preact";
import type { Line } from "./state";
import type { Item, Outfit, Who } from "./types";
import { clock, faction, flag, shown, text, zone } from "./words";

/** Person is a character with faction, tag and link. */
export function Person({ who }: { who: Who | null }): VNode {
  if (!who) return html`<span class="who nobody">nobody</span>`;
  const tag = who.outfit?.tag;
  return html`<span class="who" data-faction=${who.faction}>
    <b class="badge">${faction(who.faction) || "??"}</b>
    ${tag && html`<a class="tag" href=${`/outfits/${who.outfit?.id}`}>[${tag}]</a>`}
    ${who.id === "0" // who does not want to be named
      ? html`<span class="name unknown">${shown(who)}</span>`
      : html`<a class=${who.name ? "name" : "name unknown"} href=${`/characters/${who.id}`}>${shown(who)}</a>`}
  </span>`;
}

function Time({ at }: { at: number }): VNode {
  return html`<time class="at" datetime=${new Date(at * 1000).toISOString()}>${clock(at * 1000).slice(0, 5)}<span class="sec">${clock(at * 1000).slice(5)}</span></time>`;
}

type RowProps = { line: Line; world: string };

/** Row draws a line once: it draws again only when a name in it was repaired. */
export class Row extends Component<RowProps> {
  override shouldComponentUpdate(next: RowProps): boolean {
    return next.line !== this.props.line || next.world !== this.props.world;
  }
  override render({ line, world }: RowProps): VNode {
    if (!("received_at" in line)) {
      return html`<li class="row gap"><${Time} at=${line.at} /><span class="note">Events may be missing before this point.</span></li>`;
    }
    return html`<li class="row" data-kind=${line.kind}><${Time} at=${line.at} />${body(line, world)}</li>`;
  }
}

function body(i: Item, world: string): VNode {
  switch (i.kind) {
    case "login": return come(i, "online", world);
    case "logout": return come(i, "offline", world);
    case "kill": return kill(i, world);
    case "vehicle_kill": return vehicle(i, world);
    default: return html`<span class="note">${story(i)}</span>${where(i, world)}`;
  }
}

function where(i: Item, world: string): VNode {
  const place = zone(i.zone);
  return html`<span class="where">${place}${place && world && " · "}${world}</span>`;
}

function come(i: Item, what: string, world: string): VNode {
  const why = { timeout: "no sign of life for long", observed: "the game's query service says so" }[text(i.detail, "reason")];
  return html`<span class=${`did ${what}`} title=${why}>${what === "online" ? "on" : "off"}<span class="hidden">line</span></span>
    <${Person} who=${i.character} /><span class="where">${world}</span>`;
}

function weapon(i: Item, extra?: ComponentChildren): VNode {
  const d = i.detail;
  const name = text(d, "weapon") || text(d, i.kind === "kill" ? "vehicle" : "attacker_vehicle") || "unknown weapon";
  return html`<span class="weapon"><span class="weapon-name">${name}</span>${extra}</span>`;
}

const crosshair = html`<svg viewBox="0 0 16 16" aria-hidden="true"><circle cx="8" cy="8" r="4.5" /><path d="M8 1v4M8 11v4M1 8h4M11 8h4" /></svg>`;

function kill(i: Item, world: string): VNode {
  const head = flag(i.detail, "headshot") && html`<span class="headshot" title="Headshot">${crosshair}<span class="hidden"> headshot</span></span>`;
  const team = flag(i.detail, "team_kill") && html`<em class="flag">team kill</em>`;
  if (!i.character || flag(i.detail, "suicide")) {
    return html`<${Person} who=${i.other} /><span class="weapon">${text(i.detail, "weapon") && html`<span class="weapon-name">${text(i.detail, "weapon")}</span>`}<em class="flag">${i.character ? "suicide" : "died"}</em></span><span class="who"></span>${where(i, world)}`;
  }
  return html`<${Person} who=${i.character} />${weapon(i, html`${head}${team}`)}<${Person} who=${i.other} />${where(i, world)}`;
}

function vehicle(i: Item, world: string): VNode {
  const what = text(i.detail, "vehicle") || "vehicle";
  if (flag(i.detail, "deconstructed")) {
    return html`<${Person} who=${i.character} /><span class="weapon"><em class="flag">deconstructed</em></span>
      <span class="who"><span class="thing">${what}</span></span>${where(i, world)}`;
  }
  return html`<${Person} who=${i.character} />${weapon(i)}
    <span class="who"><span class="thing">${what}</span>${i.other && html`<span>of</span><${Person} who=${i.other} />`}</span>${where(i, world)}`;
}

/** story tells the kinds that are rare. */
function story(i: Item): ComponentChildren {
  const d = i.detail;
  const person = i.character && html`<${Person} who=${i.character} />`;
  const base = text(d, "facility") || "a base";
  const side = (key: string) => {
    const n = Number(d?.[key] ?? 0);
    return n > 0 && n < 5 && html`<b class="badge" data-faction=${n}>${faction(n)}</b>`;
  };
  const by = d?.outfit as Outfit | null | undefined;
  const outfit = by?.tag && html` for <a class="tag" href=${`/outfits/${by.id}`}>[${by.tag}]</a>`;
  switch (i.kind) {
    case "capture":
      return person ? html`${person} helped to capture <b>${base}</b>` : html`${side("new_faction") || "Nobody"} captured <b>${base}</b>${outfit}`;
    case "defend":
      return person ? html`${person} helped to defend <b>${base}</b>` : html`${side("new_faction") || "Nobody"} held <b>${base}</b>${outfit}`;
    case "alert":
      return html`Alert <b>${text(d, "alert")}</b> ${text(d, "state")}`;
    case "lock":
      return html`<b>${zone(i.zone) || "A continent"}</b> was ${d?.locked === false ? "opened" : "won"}${side("by") && html` by ${side("by")}`}`;
    case "rank":
      return html`${person} reached battle rank <b>${text(d, "rank")}</b>`;
    case "achievement":
      return html`${person} earned <b>${text(d, "achievement") || "an achievement"}</b>`;
    case "item":
      return html`${person} got <b>${text(d, "item") || "an item"}</b>`;
    case "skill":
      return html`${person} learned <b>${text(d, "skill") || "a skill"}</b>`;
  }
  return html`${person} ${i.kind}`;
}
