/** What a person declares: machines made ready, and the backups pulled from them. */
export { declareHome } from "./home.ts";
export { PullJob, type PullJobArgs } from "./pull-job.ts";
export { Home, type LastGood } from "./resources.ts";
export { Vps, type VpsArgs } from "./vps.ts";
