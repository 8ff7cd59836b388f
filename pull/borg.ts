/** borg on the machine at home, one file a command. */
export { type BorgCheck, checkArchive, checkAs, checkRepository } from "./borg/check.ts";
export type { Findings } from "./borg/check-log.ts";
export { borgEnvironment, hostId, type RepositoryAccess } from "./borg/command.ts";
export { compactRepository } from "./borg/compact.ts";
export { type DeleteProgress, deleteArchives } from "./borg/delete.ts";
export { encryptionOf } from "./borg/encryption.ts";
export { readArchive, restoreFile } from "./borg/extract.ts";
export { idInConfig, initRepository, repositoryId } from "./borg/init.ts";
export { type ListedArchive, listArchives, UnreadableError } from "./borg/list.ts";
export { freeStaleLock, RepositoryLockedError } from "./borg/lock.ts";
export { borgVersion } from "./borg/version.ts";
