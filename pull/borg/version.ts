import * as fs from "node:fs";
import * as path from "node:path";
import { replaceFile } from "../../remote/replace-file.ts";
import { UserError } from "../../schema/errors.ts";
import { homePaths } from "../../schema/paths.ts";
import { readIfThere } from "../read-if-there.ts";
import { borg } from "./command.ts";

/**
 * The version of borg at home, such as "1.2.4".
 * @throws UserError when there is none, or one that borgpull does not work with
 */
export async function borgVersion(): Promise<string> {
  const stamp = stampOf("/usr/bin/borg");
  const file = path.join(homePaths().state, "borg/version");
  const [known, kept] = (stamp && readIfThere(file)?.split("\n")) || [];
  if (kept && known === stamp) return kept;
  const { stdout } = await borg(["--version"], { timeoutSeconds: 60 });
  const version = /^borg (\S+)/.exec(stdout)?.[1];
  if (!version || !/^1\.[24]\./.test(version)) {
    throw new UserError(
      `borg ${version ?? "of an unknown version"} is installed on this machine; borgpull works with 1.2 and 1.4.`,
      "Install one of these: apt install borgbackup",
    );
  }
  // To ask costs a fifth of a second, at every run. It is no harm when it cannot be kept.
  if (stamp) await replaceFile(file, `${stamp}\n${version}\n`).catch(() => {});
  return version;
}

/**
 * Says of a borg that it is the same file still; undefined when it is not the one that PATH leads to. Only the package manager's, which
 * puts another file there with each version: what somebody put before it on PATH may lead anywhere.
 */
function stampOf(program: string): string | undefined {
  const found = (process.env.PATH ?? "/usr/bin")
    .split(":")
    .map((folder) => path.join(folder, "borg"))
    .find((file) => fs.existsSync(file));
  // /bin is a link to /usr/bin, and borg may be one to somewhere else.
  if (found === undefined || fs.realpathSync(found) !== program) return undefined;
  const { dev, ino, size, mtimeMs, ctimeMs } = fs.statSync(program);
  return [dev, ino, size, mtimeMs, ctimeMs].join(":");
}
