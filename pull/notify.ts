/**
 * Tells people how a job stands, once per change and channel. Nothing in here throws, changes a run's outcome, or takes long: what
 * could not be told is told at the next run or watch. notify/ has one file a kind of channel, and the decision what is told.
 */
export type { Situation } from "./notify/notice.ts";
export { type NoticesOptions, toldIfRefused, withNotices } from "./notify/run.ts";
export { type TellOptions, tell } from "./notify/tell.ts";
export { type TestedChannel, testChannels } from "./notify/test-notice.ts";
