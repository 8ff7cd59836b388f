import * as path from "node:path";

/** The folder with the `pulumi` that tools/setup.sh found, downloaded or built for this checkout, and its language host. */
export const engineFolder = path.join(path.dirname(import.meta.dirname), "node_modules/.engine");

/** An environment in which `pulumi` is that engine, for the Automation API and for child processes alike. */
export const withEngine = (env: Readonly<NodeJS.ProcessEnv> = process.env): NodeJS.ProcessEnv => ({
  ...env,
  PATH: `${engineFolder}:${env.PATH ?? "/usr/bin:/bin"}`,
});
