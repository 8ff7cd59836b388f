import type { Question } from "../remote/facts/ahead.ts";
import { vpsPaths } from "../schema/paths.ts";

/**
 * What the resources of an instance are going to ask its VPS in a preview, of which the engine reads any first. One that is missing
 * here costs a round trip more, and one too many some milliseconds of the VPS; neither changes an answer.
 */
export function questionsOf(instance: string): readonly Question[] {
  const at = vpsPaths(instance);
  const files = [at.tmpfiles, at.lock, at.borgctl, at.helper, at.relay, at.create, at.commands, at.hash];
  return [
    "capabilities",
    `user ${instance}`,
    `folder ${at.home}`,
    `folder ${at.run}`,
    ...[...files, at.sudoers, at.dropIn, at.authorizedKeys].map((file) => `file ${file}`),
    `sshd ${instance} ${at.dropIn}`,
    `files ${at.jobs}`,
    `keys ${at.authorizedKeys}`,
  ];
}
