import type { Fact } from "./fact.ts";

export type FileState =
  | { readonly kind: "absent" }
  | { readonly kind: "symlink" | "other"; readonly what: string }
  | {
      readonly kind: "file";
      readonly mode: string;
      readonly user: string;
      readonly group: string;
      readonly content: string;
    };

/** A file: what it is, and for a regular one its mode ("0644"), owner and content (at most 1 MiB of it). */
export const fileState = (path: string): Fact<FileState> => ({ call: ["file", path], parse: parseFile });

function parseFile(output: Buffer): FileState {
  const end = output.indexOf(10);
  const [kind, ...words] = output.subarray(0, end).toString().split(" ");
  if (kind === "absent") return { kind };
  if (kind !== "file") return { kind: kind === "symlink" ? kind : "other", what: words.join(" ") };
  const [mode, user, group] = words as [string, string, string];
  return { kind, mode: fourDigits(mode), user, group, content: output.subarray(end + 1).toString() };
}

/** stat prints 0644 as "0644" and 01777 as "01777": four digits are kept when there is no special bit. */
export const fourDigits = (mode: string): string => `0${mode.replace(/^0+/, "").padStart(3, "0")}`;

export type FolderState =
  | { readonly kind: "absent" | "symlink" | "other" }
  | { readonly kind: "folder"; readonly mode: string; readonly user: string; readonly group: string };

export const folderState = (path: string): Fact<FolderState> => ({
  call: ["folder", path],
  parse: (output) => {
    const [kind, mode, user, group] = output.toString().trim().split(" ");
    if (kind !== "folder") return { kind: kind as "absent" };
    return { kind, mode: fourDigits(mode as string), user: user as string, group: group as string };
  },
});
