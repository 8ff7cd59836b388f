import * as path from "node:path";
import { stackOwner } from "./home.ts";
import type { Home } from "./resources.ts";
import { declareUnits, type UnitOptions } from "./units.ts";

export interface WatchOptions {
  /**
   * A job tells by a command of one's own (`notify`: `kind: command`): the unit then is not confined.
   * @default false
   */
  readonly commands?: boolean | undefined;
  /**
   * A file that it writes for Prometheus, of all jobs at home: one with the ending .prom in the folder of node_exporter's textfile
   * collector.
   * @default none
   */
  readonly metrics?: string | undefined;
}

/**
 * The units at home that look every hour whether a backup has become stale, and tell the jobs' channels: also when no run came at all.
 * One a program is enough.
 */
export function declareWatch(
  home: Home,
  { commands = false, metrics }: WatchOptions = {},
  options: UnitOptions = {},
): void {
  const owner = stackOwner();
  declareUnits(
    home,
    {
      name: "watch",
      unit: `borgpull-watch-${owner.replace("/", "-")}`,
      description: `watch the backups of ${owner}`,
      words: ["watch", "--owner", owner, ...(metrics === undefined ? [] : ["--metrics", metrics])],
      schedule: "hourly",
      delaySeconds: 600,
      timeoutSeconds: 900,
      confined: !commands,
      writable: ({ state }) => [state, ...(metrics === undefined ? [] : [path.dirname(metrics)])],
    },
    options,
  );
}
