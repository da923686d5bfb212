// The connection: a snapshot, then the stream from the id the snapshot names,
// so that nothing falls between the two; after a loss, from the last id seen.

import { signal } from "@preact/signals";
import { ask, filters, groups, query } from "./filters";
import { add, gap, lagged, learn, reset, serverNow, setClock, setHeartbeat, setSnapshot, setStream } from "./state";
import type { Heartbeat, Hello, Item, Resumed, Snapshot, Stream, Who } from "./types";

export type Connection = { state: "connecting" | "open" | "lost"; since: number };

export const connection = signal<Connection>({ state: "connecting", since: Date.now() });

let source: EventSource | null = null;
let lastID = "";
let heardAt = 0; // our clock, when anything last came
let beatMS = 15000;
let snapshotAt = 0;
let failures = 0;
let timer = 0;
let generation = 0; // of start; answers to an older one are dropped

/** start begins anew for the filters in force. */
export async function start(): Promise<void> {
  const mine = ++generation;
  stop();
  reset();
  try {
    const id = await snapshot(mine);
    if (mine !== generation) return;
    lastID = id;
    open();
  } catch {
    if (mine !== generation) return;
    lost();
    again(() => void start());
  }
}

async function snapshot(mine: number): Promise<string> {
  const f = filters.value;
  const world = f.worlds.length === 1 ? `?world=${f.worlds[0]}` : "";
  const s = await ask<Snapshot>(`/api/v1/snapshot${world}`);
  if (!s) throw new Error("no snapshot");
  if (mine === generation) {
    setSnapshot(s);
    snapshotAt = Date.now();
  }
  return s.recent_id; // so that the lists do not begin empty
}

function stop(): void {
  clearTimeout(timer);
  source?.close();
  source = null;
}

function open(): void {
  stop();
  const f = filters.value;
  if (f.groups.length === 0) { // nothing is asked for, and no kind would mean all
    connection.value = { state: "open", since: Date.now() };
    return;
  }
  const q = query(f);
  q.set("last_event_id", lastID);
  const es = new EventSource(`/api/v1/feed?${q}`);
  source = es;
  heardAt = Date.now();
  const on = <T>(name: string, take: (data: T) => void) =>
    es.addEventListener(name, (e: MessageEvent<string>) => {
      if (es !== source) return;
      heardAt = Date.now();
      if (e.lastEventId) lastID = e.lastEventId;
      take(JSON.parse(e.data) as T);
    });
  on<Hello>("hello", opened);
  on<Resumed>("resumed", (r) => { if (!r.complete) refresh(); });
  on<Heartbeat>("heartbeat", (h) => { setHeartbeat(h); if (Date.now() - snapshotAt > 60000) void snapshot(generation).catch(() => {}); });
  on<Stream>("stream", setStream);
  on<{ characters: Who[] }>("names", (n) => learn(n.characters));
  on<{ dropped: number }>("lag", (l) => { lagged.value += l.dropped; gap(); });
  for (const g of groups) for (const kind of g.kinds) on<Item>(kind, add);
  es.onerror = () => {
    if (es !== source) return;
    lost();
    // The browser comes back by itself, except after an answer that was no feed.
    if (es.readyState === EventSource.CLOSED) again(open);
  };
}

function opened(h: Hello): void {
  failures = 0;
  beatMS = h.limits.heartbeat_ms;
  setClock(h.time);
  connection.value = { state: "open", since: Date.now() };
}

/** refresh takes the snapshot anew where the stream could not go on. */
function refresh(): void {
  gap();
  void snapshot(generation).catch(() => {}); // the next heartbeat tries again
}

function lost(): void {
  if (connection.value.state !== "lost") connection.value = { state: "lost", since: serverNow() };
}

/** again retries with a growing delay, at a time of this page's own. */
function again(what: () => void): void {
  clearTimeout(timer);
  const most = Math.min(15000, 500 * 2 ** failures++);
  timer = setTimeout(what, most / 2 + Math.random() * (most / 2));
}

/** check reopens a connection over which nothing has come for too long: after
 * sleep a browser may not notice by itself. */
function check(): void {
  if (document.hidden || !source || Date.now() - heardAt <= 2 * beatMS + 2000) return;
  lost();
  open();
}

document.addEventListener("visibilitychange", check);
addEventListener("pageshow", check);
addEventListener("online", () => { 
  if (connection.value.state !== "lost") return;
  failures = 0;
  if (lastID) open();
  else void start();
});
setInterval(check, 5000);

// A held lock keeps Chromium from freezing the tab while it is hidden.
void navigator.locks?.request("muster-live", { mode: "shared" }, () => new Promise(() => {}));
