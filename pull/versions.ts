import { version } from "../schema/version.ts";

export interface Versions {
  /** The VPS, as in messages. */
  readonly host: string;
  /** What borgctl says of itself; undefined when it said nothing. */
  readonly vps: string | undefined;
  /** What wrote the job file; undefined for one of before it was noted. */
  readonly jobFile: string | undefined;
  /** What runs here. */
  readonly here?: string;
}

/** Where an upgrade has not come through everywhere yet: a sentence that says so; the run itself goes on. */
export function versionsApart({ host, vps, jobFile, here = version }: Versions): string | undefined {
  if (vps !== undefined && vps !== here)
    return `${host} has borgpull ${vps}, this is ${here}: run "pulumi up".`;
  if (jobFile !== undefined && jobFile !== here)
    return `borgpull ${jobFile} wrote the job file, this is ${here}: run "pulumi up".`;
  return undefined;
}
