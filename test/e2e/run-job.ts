/** A home to be killed: runs the job whose file is given, and says when it is in the middle. */
import { runJob } from "../../pull/run.ts";

const [file] = process.argv.slice(2) as [string];
await runJob(file, {
  onProgress: ({ bytesRead }) => {
    if (bytesRead > 0) console.log(bytesRead);
  },
});
