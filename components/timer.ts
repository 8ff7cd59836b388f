import { fileURLToPath } from "node:url";
import type * as pulumi from "@pulumi/pulumi";
import { ownerMark } from "../schema/names.ts";
import * as templates from "../templates/index.ts";
import { stackOwner } from "./home.ts";
import type { Job } from "./pull-job.ts";
import { SystemdUnit } from "./resources.ts";

/** The program's own folder: its node and its command. */
const checkout = fileURLToPath(new URL("..", import.meta.url));

/** What decides where config and state are: a timer must find them where `pulumi up` put them. */
const placement = ["BORGPULL_CONFIG", "BORGPULL_STATE", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] as const;

/** The units at home that pull on the job's schedule; none without a schedule. The user's own manager needs `loginctl enable-linger`. */
export function declareTimer({ name, home, settings }: Job, options: pulumi.CustomResourceOptions): void {
  const { schedule, limits } = settings;
  if (schedule === undefined) return;
  const owner = stackOwner();
  const mark = ownerMark(owner);
  const { manager } = home;
  const unit = (
    kind: "service" | "timer",
    content: pulumi.Input<string>,
    on: boolean,
    more: pulumi.CustomResourceOptions,
  ) =>
    new SystemdUnit(
      `${name}-${kind}`,
      { home: home.home, owner, manager, name: `borgpull-${name}.${kind}`, content, enabled: on, active: on },
      more,
    );
  const service = manager.apply((scope) =>
    templates.service({
      mark,
      job: name,
      command: [`${checkout}node_modules/.bin/node`, `${checkout}cli/main.ts`, "run", name],
      environment: Object.fromEntries(
        placement.flatMap((key) => (process.env[key] ? [[key, process.env[key]]] : [])),
      ),
      timeoutSeconds: limits.totalSeconds + limits.lockWaitSeconds + 600,
      system: scope === "system",
    }),
  );
  const started = unit("service", service, false, options);
  unit("timer", templates.timer({ mark, job: name, schedule }), true, { ...options, dependsOn: [started] });
}
