// One line of a list. Text goes in as text nodes: names are what players made up.

import { Component, html } from "htm/preact";
import type { ComponentChildren, VNode } from "preact";
import type { Line } from "./state";
import type { Item, Who } from "./types";
import { clock, faction, flag, shown, text, zone } from "./words";

/** Person is a character with faction, tag and link. */
export function Person({ who }: { who: Who | null }): VNode {
  if (!who) return html`<span class="who nobody">nobody</span>`;
  const tag = who.outfit?.tag;
  return html`<span class="who" data-faction=${who.faction}>
    <b class="badge">${faction(who.faction) || "??"}</b>
    ${tag && html`<a class="tag" href=${`/outfits/${who.outfit?.id}`}>[${tag}]</a>`}
    <a class=${who.name ? "name" : "name unknown"} href=${`/characters/${who.id}`}>${shown(who)}</a>
  </span>`;
}

function Time({ at }: { at: number }): VNode {
  return html`<time class="at" datetime=${new Date(at * 1000).toISOString()}>${clock(at * 1000)}</time>`;
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
  return html`<span class=${`mark ${what}`} aria-hidden="true"></span>
    <${Person} who=${i.character} /><span class="did">${what}</span><span class="where">${world}</span>`;
}

function weapon(i: Item, extra?: ComponentChildren): VNode {
  const d = i.detail;
  const name = text(d, "weapon") || text(d, "attacker_vehicle") || (i.character ? "unknown weapon" : "");
  return html`<span class="weapon"><span class="weapon-name">${name}</span>${extra}</span>`;
}

function kill(i: Item, world: string): VNode {
  const head = flag(i.detail, "headshot") && html`<abbr class="headshot" title="Headshot">⌖<span class="hidden"> headshot</span></abbr>`;
  const team = flag(i.detail, "team_kill") && html`<em class="flag">team kill</em>`;
  if (!i.character || i.character.id === i.other?.id) {
    return html`<${Person} who=${i.other} /><span class="weapon"><span class="weapon-name">${text(i.detail, "weapon")}</span><em class="flag">${i.character ? "suicide" : "died"}</em></span><span class="who"></span>${where(i, world)}`;
  }
  return html`<${Person} who=${i.character} />${weapon(i, html`${head}${team}`)}<${Person} who=${i.other} />${where(i, world)}`;
}

function vehicle(i: Item, world: string): VNode {
  const what = text(i.detail, "vehicle") || "vehicle";
  return html`<${Person} who=${i.character} />${weapon(i)}
    <span class="who"><span class="thing">${what}</span>${i.other && html` of <${Person} who=${i.other} />`}</span>${where(i, world)}`;
}

/** story tells the kinds that are rare. */
function story(i: Item): ComponentChildren {
  const d = i.detail;
  const person = i.character && html`<${Person} who=${i.character} />`;
  const base = text(d, "facility") || "a base";
  const side = (key: string) => {
    const v = d?.[key];
    const n = typeof v === "number" ? v : Number((v as { id?: unknown } | null)?.id ?? 0);
    return n > 0 && n < 5 && html`<b class="badge" data-faction=${n}>${faction(n)}</b>`;
  };
  switch (i.kind) {
    case "capture":
      return person ? html`${person} helped to capture <b>${base}</b>` : html`${side("new_faction") || side("new") || side("faction")} captured <b>${base}</b>`;
    case "defend":
      return person ? html`${person} helped to defend <b>${base}</b>` : html`${side("new_faction") || side("new") || side("faction")} held <b>${base}</b>`;
    case "alert":
      return html`Alert <b>${text(d, "name", "alert", "metagame_event") || ""}</b> ${text(d, "state")}`;
    case "lock":
      return html`<b>${zone(i.zone) || "A continent"}</b> was won by ${side("by") || side("faction") || "nobody"}`;
    case "rank":
      return html`${person} reached battle rank <b>${text(d, "rank", "battle_rank")}</b>`;
    case "achievement":
      return html`${person} earned <b>${text(d, "achievement", "name") || "an achievement"}</b>`;
    case "item":
      return html`${person} got <b>${text(d, "item", "name") || "an item"}</b>`;
    case "skill":
      return html`${person} learned <b>${text(d, "skill", "name") || "a skill"}</b>`;
  }
  return html`${person} ${i.kind}`;
}
