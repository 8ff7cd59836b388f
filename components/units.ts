import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { crontabLine } from "../config/crontab.ts";
import { ownerMark } from "../schema/names.ts";
import * as templates from "../templates/index.ts";
import { shellWord } from "../templates/quote.ts";
import { stackOwner } from "./home.ts";
import { type Home, SystemdUnit } from "./resources.ts";

/** A service at home that runs the installed program, and the timer that starts it. */
export interface Scheduled {
  /** Of the resources: `<name>-service`, `<name>-timer`. */
  readonly name: string;
  /** Of the units, without .service and .timer. */
  readonly unit: string;
  readonly description: string;
  /** What follows `borgpull` on its command line. */
  readonly words: readonly string[];
  /** OnCalendar. */
  readonly schedule: string;
  readonly delaySeconds: number;
  /** Left out: what runs has limits of its own, and waits for its turn as long as it must. */
  readonly timeoutSeconds?: number;
  readonly confined: boolean;
  readonly repository?: string;
  /** What it may write, of home's config and state. */
  writable(home: { readonly config: string; readonly state: string }): readonly string[];
}

export interface UnitOptions {
  readonly parent?: pulumi.Resource;
  readonly dependsOn?: readonly pulumi.Resource[];
}

/** Where home has no systemd they are declared, and nothing comes of them but a line for cron. The user's own manager needs `loginctl enable-linger`. */
export function declareUnits(home: Home, what: Scheduled, options: UnitOptions): void {
  const owner = stackOwner();
  const { description, schedule, delaySeconds } = what;
  const about = { mark: ownerMark(owner), description };
  const unit = (
    kind: "service" | "timer",
    content: pulumi.Input<string>,
    on: boolean,
    dependsOn: readonly pulumi.Resource[],
  ) =>
    new SystemdUnit(
      `${what.name}-${kind}`,
      {
        home: home.home,
        owner,
        manager: home.manager,
        name: `${what.unit}.${kind}`,
        content,
        enabled: on,
        active: on,
      },
      { ...options, dependsOn: [...(options.dependsOn ?? []), ...dependsOn] },
    );
  const { manager, program, placement, config, state } = home;
  const service = pulumi
    .all([manager, program.current, placement, config, state])
    .apply(([scope, current, environment, configFolder, stateFolder]) =>
      templates.service({
        ...about,
        command: [path.join(current, "cli/borgpull"), ...what.words],
        environment,
        ...(what.timeoutSeconds === undefined ? {} : { timeoutSeconds: what.timeoutSeconds }),
        system: scope === "system",
        confined: what.confined,
        writable: what.writable({ config: configFolder, state: stateFolder }),
        ...(what.repository === undefined ? {} : { repository: what.repository }),
      }),
    );
  const started = unit("service", service, false, [program]);
  unit("timer", templates.timer({ ...about, schedule, delaySeconds }), true, [started]);
  tellCron(home, what);
}

/** Where home has no systemd: what to put into cron instead. */
function tellCron({ manager, program, placement }: Home, { name, words, schedule }: Scheduled): void {
  pulumi.all([manager, program.current, placement]).apply(([scope, current, environment]) => {
    if (scope !== "none") return;
    const assigned = Object.entries(environment).map(([key, value]) => `${key}=${shellWord(value)}`);
    const call = [path.join(current, "cli/borgpull"), ...words].map(cronWord);
    const command = [...assigned, ...call].join(" ");
    const line = crontabLine(schedule, command.replaceAll("%", "\\%"));
    const what = line
      ? `Put this into the crontab (crontab -e): ${line}`
      : `${JSON.stringify(schedule)} is more than one line of a crontab can say; have this called at these times: ${command}`;
    void pulumi.log.info(`${name}: systemd does not run at home, so no timer does. ${what}`);
  });
}

const cronWord = (word: string): string => (/^[\w@+:,./-]+$/.test(word) ? word : shellWord(word));
