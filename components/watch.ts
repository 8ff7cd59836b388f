import { stackOwner } from "./home.ts";
import type { Home } from "./resources.ts";
import { declareUnits, type UnitOptions } from "./units.ts";

export interface WatchOptions {
  /**
   * A job tells by a command of one's own (`notify`: `kind: command`): the unit then is not confined.
   * @default false
   */
  readonly commands?: boolean | undefined;
}

/**
 * The units at home that look every hour whether a backup has become stale, and tell the jobs' channels: also when no run came at all.
 * One a program is enough.
 */
export function declareWatch(
  home: Home,
  { commands = false }: WatchOptions = {},
  options: UnitOptions = {},
): void {
  const owner = stackOwner();
  declareUnits(
    home,
    {
      name: "watch",
      unit: `borgpull-watch-${owner.replace("/", "-")}`,
      description: `watch the backups of ${owner}`,
      words: ["watch", "--owner", owner],
      schedule: "hourly",
      delaySeconds: 600,
      timeoutSeconds: 900,
      confined: !commands,
      writable: ({ state }) => [state],
    },
    options,
  );
}
