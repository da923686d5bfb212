// The drawer that makes Discord misbehave.
import { el, get, send } from "./api.js";

const $ = (id) => document.getElementById(id);
const messages = "POST /channels/{channel_id}/messages";

const gateway = [
  ["Ask to reconnect", { kind: "gateway-reconnect" }],
  ["Reconnect before READY", { kind: "gateway-reconnect", at: "identify", count: 1 }],
  ["Session invalid", { kind: "gateway-invalid" }],
  ["Invalid, resumable", { kind: "gateway-invalid", resumable: true }],
  ["Close 4000", { kind: "gateway-close", code: 4000 }],
  ["Close 4009", { kind: "gateway-close", code: 4009 }],
  ["Cut the line", { kind: "gateway-drop" }],
  ["Go silent", { kind: "gateway-silence" }],
  ["Silent after HELLO", { kind: "gateway-silence", at: "hello", count: 1 }],
  ["Refuse connections", { kind: "gateway-refuse" }],
];

const rest = [
  ["502 after storing, once", { kind: "lost", route: messages, count: 1 }],
  ["Half of all fail with 500", { kind: "status", status: 500, share: 0.5 }],
  ["Global limit, 5 s", { kind: "global-limit", retry_after: 5, count: 1 }],
  ["Channel limit, 3 s", { kind: "limit", retry_after: 3, count: 1, route: messages }],
  ["Ban page", { kind: "ban", retry_after: 60, count: 1 }],
  ["Opening DMs too fast", { kind: "status", code: 40003, route: "POST /users/@me/channels", count: 3 }],
  ["Everything 2 s late", { kind: "delay", delay_ms: 2000 }],
  ["Messages never answered", { kind: "hang", route: messages }],
  ["Unknown channel", { kind: "status", code: 10003, route: messages, count: 1 }],
];

const counters = [
  ["identifies", "IDENTIFY"], ["resumes", "RESUME"], ["heartbeats", "Heartbeats"], ["requests", "Requests"], ["rate_limited", "Answered 429"],
  ["invalid", "Count towards a ban"], ["missed", "Interactions missed"], ["deduplicated", "Saved by a nonce"],
];

function describe(f) {
  const parts = [f.kind.replace("gateway-", "gateway: ")];
  if (f.at) parts.push("at " + f.at);
  if (f.code || f.status) parts.push(String(f.code || f.status));
  if (f.route) parts.push(f.route);
  if (f.share) parts.push(Math.round(f.share * 100) + " %");
  if (f.count) parts.push(`${f.struck} of ${f.count}`);
  else if (f.struck) parts.push(`${f.struck}×`);
  return parts.join(" · ");
}

// faults wires the drawer; world() is the world of now, changed is called
// when people were.
export function faults({ world, changed }) {
  const drawer = $("faults");
  let timer = 0;

  async function refresh() {
    const [list, stats, bad] = await Promise.all([get("/sim/faults"), get("/sim/stats"), get("/sim/violations")]);
    show(list);
    $("stats").replaceChildren(...counters.flatMap(([k, label]) => [el("dt", {}, label), el("dd", {}, String(stats[k]))]));
    $("violations").replaceChildren(...(bad.length ? bad.slice(-8).reverse().map((v) => el("li", {}, el("span", {}, v.route + " — " + v.problems.join("; ")))) : [none("Nothing so far")]));
    $("faults-people").replaceChildren(...world().users.map((u) => el("li", {}, el("span", {}, `${u.name} ${u.closed_dms ? "refuses" : "takes"} direct messages`),
      el("button", { type: "button", onclick: async () => { await send("/sim/dms", { user: u.id, open: u.closed_dms }); await changed(); refresh(); } }, u.closed_dms ? "Open DMs" : "Close DMs"))));
  }

  function show(list) {
    const n = $("faults-count");
    n.hidden = !list.length;
    n.textContent = list.length;
    $("faults-active").replaceChildren(...(list.length ? list.map((f) => el("li", {}, el("span", {}, describe(f)),
      el("button", { type: "button", onclick: async () => { await send("/sim/faults/" + f.id, undefined, "DELETE"); refresh(); } }, "End"))) : [none("All is well")]));
  }

  const none = (text) => el("li", { className: "none" }, text);
  const preset = ([label, f]) => el("button", { type: "button", onclick: async () => { await send("/sim/faults", f); refresh(); } }, label);
  $("preset-gateway").replaceChildren(...gateway.map(preset));
  $("preset-rest").replaceChildren(...rest.map(preset));
  $("faults-open").addEventListener("click", () => { drawer.showModal(); refresh(); timer = setInterval(refresh, 1500); });
  $("faults-close").addEventListener("click", () => drawer.close());
  drawer.addEventListener("click", (ev) => { if (ev.target === drawer) drawer.close(); });
  drawer.addEventListener("close", () => clearInterval(timer));
  return { show };
}
