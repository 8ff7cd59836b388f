/** What a repository's own log (data/<folder>/<segment>) tells of a session, without key, without borg, in constant memory. */
export { auditSegments, type SegmentAudit } from "./segments/audit.ts";
export { manifestId, SegmentDamage, type SegmentEntry, segmentEntries } from "./segments/entries.ts";
export { lastCommitted, segmentFiles } from "./segments/log.ts";
