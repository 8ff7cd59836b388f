/** The program of borgpull: the stack's config as machines and jobs. A program of one's own imports components/ instead. */
import * as pulumi from "@pulumi/pulumi";
import { declareHome } from "./components/home.ts";
import { forPeople, tellFailuresInASentence } from "./components/people.ts";
import { PullJob } from "./components/pull-job.ts";
import { Vps } from "./components/vps.ts";
import { declareWatch } from "./components/watch.ts";
import { readStackConfig } from "./config/stack.ts";
import { parseConfig } from "./config.ts";

tellFailuresInASentence();
const { hosts, warnings, metrics } = forPeople(() =>
  parseConfig(readStackConfig(pulumi.runtime.allConfig()), process.env),
);
for (const warning of warnings) void pulumi.log.warn(warning);

const home = declareHome();
const all = hosts.flatMap((host) => host.jobs.map(({ options }) => options));
const channels = all.flatMap(({ notify = {} }) => Object.values(notify));
if (all.some(({ schedule }) => schedule !== undefined) || channels.length > 0 || metrics !== undefined)
  declareWatch(home, { metrics, commands: channels.some(({ kind }) => kind === "command") });

/** Job -> where it is and what it last backed up. */
export const jobs = Object.fromEntries(
  hosts.flatMap((host) => {
    const vps = new Vps(host.name, { ...host.options, home });
    return host.jobs.map(({ name, options }) => {
      const { repository, lastGood } = new PullJob(name, { vps, ...options });
      return [name, { host: host.options.address, repository, lastGood }] as const;
    });
  }),
);
