import { UserError } from "../schema/errors.ts";
import { jobName } from "../schema/names.ts";
import { homePaths } from "../schema/paths.ts";

/** The job file of a job that a person names. @throws UserError for what is not a job's name */
export function jobFileOf(job: string): string {
  const parsed = jobName.safeParse(job);
  if (!parsed.success) {
    throw new UserError(
      `"${job}" is not a job's name (1 to 40 of a-z, 0-9 and -).`,
      "Give the name from the config.",
    );
  }
  return homePaths().jobFile(parsed.data);
}
