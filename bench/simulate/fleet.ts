/** One stack of N simulated hosts, whose home and stand-ins are shared with those of other sizes. */
import * as fs from "node:fs";
import * as path from "node:path";
import { type Stack, writeConfig } from "../../sandbox/demo/stack.ts";
import type { Recorded } from "./original.ts";
import { type Ran, run } from "./pulumi.ts";
import { multiply } from "./state.ts";

export interface Fleet {
  readonly hosts: number;
  /** All that Pulumi knows of: hosts, jobs and what they are made of. */
  readonly resources: number;
  readonly stack: Stack;
  /** Of `pulumi stack import`, with which the state was made. */
  readonly importSeconds: number;
  /** The stack's state on disk. */
  checkpointBytes(): number;
  /**
   * Writes the config: the stacks of all sizes have one file between them, as they have one name.
   * @param staleAfter another one than `usually` changes two resources a host, both at home: the job file and the pull
   */
  configure(staleAfter: string): Promise<void>;
}

export async function makeFleet(recorded: Recorded, hosts: number): Promise<Fleet> {
  const { stack: first, original, state, config } = recorded;
  const backend = path.join(first.folder, `pulumi-${hosts}`);
  fs.cpSync(path.join(first.folder, "pulumi"), backend, { recursive: true });
  const stack = { ...first, env: { ...first.env, PULUMI_BACKEND_URL: `file://${backend}` } };
  const { text, resources } = multiply(state, original, hosts);
  const file = path.join(first.folder, `state-${hosts}.json`);
  fs.writeFileSync(file, text);
  const imported: Ran = await run(stack, ["stack", "import", "--file", file]);
  fs.rmSync(file);
  return {
    hosts,
    resources,
    stack,
    importSeconds: imported.seconds,
    checkpointBytes: () => fs.statSync(path.join(backend, `.pulumi/stacks/borgpull/${stack.name}.json`)).size,
    configure: (staleAfter) => writeConfig(stack, config(hosts, staleAfter)),
  };
}
