import { UserError } from "../../schema/errors.ts";
import { isWarning } from "../borg/contents.ts";
import { clean } from "../lines.ts";
import { parseMessage } from "../session/messages.ts";

/** What a confined borg said while it worked. */
export interface Said {
  /** The first of borg's warnings, each a line. */
  readonly warnings: readonly string[];
  readonly warningCount: number;
  /** The last of its errors, or of what is no borg's. */
  readonly last: string;
  /** A file was not written because there was no room. */
  readonly full: boolean;
}

const mostWarnings = 20;

/** Takes in borg's stderr, line by line. @param onFull called once, at the first file for which there is no room */
export function listener(onFull: () => void): { readonly line: (text: string) => void; said(): Said } {
  const warnings: string[] = [];
  let warningCount = 0;
  let last = "";
  let full = false;
  return {
    line: (text) => {
      const message = parseMessage(text);
      if (!message || message.type === "progress") return;
      if (message.type !== "log" || message.level === "error") last = lastLine(message.message);
      if (message.type !== "log" || message.level !== "warning") return;
      warningCount++;
      const warning = inFolder(clean(message.message));
      if (warnings.length < mostWarnings) warnings.push(warning);
      if (noRoom.test(warning) && !full) {
        full = true;
        onFull();
      }
    },
    said: () => ({ warnings, warningCount, last, full }),
  };
}

/** borg's BackupOSError: "PATH: OPERATION: [Errno N] WORDS"; full, beyond a quota. */
const noRoom = /: \w+: \[Errno (28|122)\] [^:]*(: '.*')?$/;

/** The folder's name inside of the confinement says nothing to a person. */
const inFolder = (text: string): string => text.replace(/: '\/to\/.*'$/, "");

const lastLine = (text: string): string =>
  clean(
    text
      .trim()
      .split(/\n\s*Platform: /)[0]
      ?.split("\n")
      .at(-1) ?? "",
  );

export type Outcome =
  | { readonly kind: "good" }
  | { readonly kind: "warnings" }
  /** atHome: the archive has no part in it. */
  | { readonly kind: "failed"; readonly error: UserError; readonly atHome: boolean };

/** Own exit codes of confine.sh, for a folder that cannot be taken. */
const folderRemedies: Readonly<Record<number, string>> = {
  220: "Give another folder.",
  223: "Give a folder that is absent or empty, or --overwrite.",
  224: "Restore to a folder of its own, and move what you need from there.",
};

/** @param where the folder, in words: "/root/restore", "/root/restore on web1.example.com" */
export function outcomeOf(code: number | undefined, said: Said, where: string): Outcome {
  if (said.full) {
    return failed(
      `There is no room left in ${where}: not all files were restored.`,
      "Make room, or restore to another folder.",
    );
  }
  if (code === 0) return said.warningCount > 0 ? { kind: "warnings" } : { kind: "good" };
  if (code !== undefined && isWarning(code) && said.warningCount > 0) return { kind: "warnings" };
  const words = said.last.replace(/^(confine|unshare|setpriv): /, "");
  const remedy = folderRemedies[code ?? 0];
  if (remedy) return failed(`${words}.`, remedy);
  if (code === 222)
    return failed(`There is no borg for ${where}: ${words}.`, "Install it: apt install borgbackup");
  if (code === 221 || code === 127 || /^(unshare|setpriv): /.test(said.last)) {
    return failed(
      `Nothing is restored to ${where}, as borg cannot be kept to that folder there: ${words || "unshare is missing"}.`,
      "It needs util-linux, and root or the right to make user namespaces (sysctl user.max_user_namespaces, kernel.unprivileged_userns_clone).",
    );
  }
  const why = code === undefined ? "it was killed, or the connection was lost" : "borg does not say why";
  return failed(
    `The restore to ${where} did not come to its end (${code ?? "cut off"}): ${words || why}.`,
    "What is there by now is not complete. Run it again with --overwrite, or into another folder.",
    /^Failed to create\/acquire the lock/.test(words),
  );
}

const failed = (problem: string, remedy: string, atHome = true): Outcome => ({
  kind: "failed",
  error: new UserError(problem, remedy),
  atHome,
});
