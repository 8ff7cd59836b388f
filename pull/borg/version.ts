import { UserError } from "../../schema/errors.ts";
import { borg } from "./command.ts";

/**
 * The version of borg at home, such as "1.2.4".
 * @throws UserError when there is none, or one that borgpull does not work with
 */
export async function borgVersion(): Promise<string> {
  const { stdout } = await borg(["--version"], { timeoutSeconds: 60 });
  const version = /^borg (\S+)/.exec(stdout)?.[1];
  if (!version || !/^1\.[24]\./.test(version)) {
    throw new UserError(
      `borg ${version ?? "of an unknown version"} is installed on this machine; borgpull works with 1.2 and 1.4.`,
      "Install one of these: apt install borgbackup",
    );
  }
  return version;
}
