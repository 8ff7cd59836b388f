import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { crontabLine } from "../config/crontab.ts";
import type { JobSettings } from "../config/job.ts";
import { configPaths } from "../schema/paths.ts";
import { shellWord } from "../templates/quote.ts";
import type { Job } from "./job.ts";
import type { Home } from "./resources.ts";
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
  tellCron(home, name, schedule);
}

/** Where home has no systemd: what to put into cron instead. */
function tellCron(home: Home, name: string, schedule: string): void {
  const { manager, program, placement } = home;
  pulumi.all([manager, program.current, placement]).apply(([scope, current, environment]) => {
    if (scope !== "none") return;
    const assigned = Object.entries(environment).map(([key, value]) => `${key}=${shellWord(value)}`);
    const command = [...assigned, shellWord(path.join(current, "cli/borgpull")), "run", name].join(" ");
    const line = crontabLine(schedule, command.replaceAll("%", "\\%"));
    const what = line
      ? `Put this into the crontab (crontab -e): ${line}`
      : `${JSON.stringify(schedule)} is more than one line of a crontab can say; have this called at these times: ${command}`;
    void pulumi.log.info(`${name}: systemd does not run at home, so no timer does. ${what}`);
  });
}

/** Commands of a person's own at home, which may need anything. */
const runsCommands = ({ hooksAtHome, notify }: JobSettings): boolean =>
  Object.values(hooksAtHome ?? {}).some(Boolean) ||
  Object.values(notify ?? {}).some(({ kind }) => kind === "command");

/** What the job's file comes after: the program that will read it. */
export const programOf = ({ home, settings }: Job): readonly pulumi.Resource[] =>
  settings.schedule === undefined ? [] : [home.program];
