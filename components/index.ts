/** What a person declares: machines made ready, and the backups pulled from them. */

export type { LastGood } from "../schema/last-good.ts";
export { declareHome } from "./home.ts";
export { PullJob, type PullJobArgs } from "./pull-job.ts";
export { Home } from "./resources.ts";
export { Vps, type VpsArgs } from "./vps.ts";
export { declareWatch, type WatchOptions } from "./watch.ts";
