// What the API and the feed send. Ids are text: 19 digits do not fit a number.

export type Outfit = { id: string; tag: string; name: string };

export type Who = { id: string; name: string; faction: number; outfit?: Outfit };

export type Item = {
  id: string;
  kind: string;
  world: number;
  zone?: number;
  at: number; // the game's second, Unix
  received_at: number;
  character: Who | null;
  other: Who | null;
  detail: Record<string, unknown> | null;
};

export type Health = "live" | "late" | "silent" | "down" | "reconciling";

export type Stream = {
  world: number;
  name: string;
  health: Health;
  since: string;
  last_event_at?: string;
  reason?: string;
  per_minute?: Record<string, number>;
};

export type World = {
  world: number;
  name: string;
  environment?: string;
  online: number;
  stream: Stream | null;
};

export type Player = {
  character: Who | null;
  online: boolean;
  world?: number;
  world_name?: string;
  zone_name?: string;
  since?: string;
};

export type Snapshot = {
  epoch: string;
  last_id: string;
  recent_id: string;
  time: string;
  worlds: World[];
  online: Player[];
  more: boolean;
};

export type Hello = { epoch: string; last_id: string; time: number; limits: { heartbeat_ms: number } };

export type Heartbeat = { time: number; last_id: string; streams: Stream[]; online?: Record<string, number> };

export type Resumed = { from: string; to: string; complete: boolean };
