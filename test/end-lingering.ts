/** For `--import`: a file whose tests are over ends, whatever a failed one has left at work; --test-force-exit would drop results that are not yet written. */
import { after } from "node:test";

const secondsToTidyUp = 120; // the files' own `after` come after this one

if (process.env.NODE_TEST_CONTEXT) {
  after(() => {
    setTimeout(() => process.exit(), secondsToTidyUp * 1000).unref();
  });
}
