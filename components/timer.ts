import * as path from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { ownerMark } from "../schema/names.ts";
import * as templates from "../templates/index.ts";
import { stackOwner } from "./home.ts";
import type { Job } from "./job.ts";
import { SystemdUnit } from "./resources.ts";

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
  const { program, placement } = home;
  const service = pulumi.all([manager, program, placement]).apply(([scope, folder, environment]) =>
    templates.service({
      mark,
      job: name,
      command: [path.join(folder, "node_modules/.bin/node"), path.join(folder, "cli/main.ts"), "run", name],
      environment,
      timeoutSeconds: limits.totalSeconds + limits.lockWaitSeconds + 600,
      system: scope === "system",
    }),
  );
  const started = unit("service", service, false, options);
  unit("timer", templates.timer({ mark, job: name, schedule }), true, { ...options, dependsOn: [started] });
}
