import * as path from "node:path";
import type * as pulumi from "@pulumi/pulumi";
import type { JobSettings } from "../config/job.ts";
import { configPaths } from "../schema/paths.ts";
import type { Job } from "./job.ts";
import { declareUnits, type UnitOptions } from "./units.ts";

/** The units at home that pull on the job's schedule; none without one. */
export function declareTimer({ name, home, settings }: Job, repository: string, options: UnitOptions): void {
  const { schedule, randomizedDelaySeconds } = settings;
  if (schedule === undefined) return;
  declareUnits(
    home,
    {
      name,
      unit: `borgpull-${name}`,
      description: `pull the backup of ${name}`,
      words: ["run", name],
      schedule,
      delaySeconds: randomizedDelaySeconds,
      confined: !runsCommands(settings),
      repository,
      writable: ({ config, state }) => [state, repository, path.dirname(configPaths(config).keyCopy(name))],
    },
    options,
  );
}

/** Commands of a person's own at home, which may need anything. */
const runsCommands = ({ hooksAtHome, notify }: JobSettings): boolean =>
  Object.values(hooksAtHome ?? {}).some(Boolean) ||
  Object.values(notify ?? {}).some(({ kind }) => kind === "command");

/** What the job's file comes after: the program that will read it. */
export const programOf = ({ home, settings }: Job): readonly pulumi.Resource[] =>
  settings.schedule === undefined ? [] : [home.program];
