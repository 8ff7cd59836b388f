import type { JobFile } from "../schema/job-file.ts";
import type { Target } from "../schema/target.ts";

/** No machine of that name is ever found. */
const nowhere: Target = {
  host: "nowhere.invalid",
  port: 22,
  user: "root",
  hostKeys: [`ssh-ed25519 ${"A".repeat(68)}`],
  auth: "agent",
};

/** The data of a sound job file, but for what a test says otherwise. The pull logs in where the administrator does. */
export function jobData(
  parts: Partial<JobFile> & Pick<JobFile, "repository" | "passphraseFile">,
  { key = "/nowhere", admin = nowhere }: { readonly key?: string; readonly admin?: Target } = {},
): JobFile {
  const { instance = "borgpull" } = parts;
  return {
    version: 1,
    managedBy: "borgpull",
    owner: "demo/test",
    job: "web1",
    instance,
    pull: { ...admin, user: instance, auth: key },
    admin,
    staleAfterSeconds: 86_400,
    limits: { totalSeconds: 600, stallSeconds: 120, lockWaitSeconds: 10 },
    ...parts,
  };
}
