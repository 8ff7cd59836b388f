// What Pulumi starts. The program is TypeScript, which Node runs by itself from 22.18 on; an older one is told apart here, in words.
import { RunError } from "@pulumi/pulumi";

if (!process.features.typescript) {
  throw new RunError(
    `The node on PATH is ${process.version}, and borgpull needs 22.18 or newer. Run it as "npx pulumi ...", which uses the project's own.`,
  );
}
// The SDK has put source-map-support there, and notes a stack for each promise, which nobody reads unless one is lost: with eight hosts half
// a second. Types that are stripped leave every line where it was.
Error.prepareStackTrace = undefined;
export const { jobs } = await import("../index.ts");
