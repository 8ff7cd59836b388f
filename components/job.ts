import type { JobSettings } from "../config/job.ts";
import type { Home } from "./resources.ts";
import type { Vps } from "./vps.ts";

/** A job while it is declared. */
export interface Job {
  readonly name: string;
  readonly vps: Vps;
  readonly home: Home;
  readonly settings: JobSettings;
}
