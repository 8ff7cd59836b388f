import { fileURLToPath } from "node:url";
import { type ProgramInputs, programInputs } from "../../schema/inputs.ts";
import { compare } from "../compare.ts";
import type { Kind } from "../kind.ts";
import { readableHere, requireHome } from "../place.ts";
import { nameOf } from "../program/plan.ts";
import { currentOf, forget, install, installedFor, versionsFolder } from "../program/versions.ts";

interface ProgramState extends ProgramInputs {
  /** The version that is installed, such as "0.1.0-5f3c9a0b12de", and what of its files is not as it was. */
  readonly installed: string;
  /** The link to it, through which the units start it. */
  readonly current: string;
}

const root = fileURLToPath(new URL("../..", import.meta.url));
let offering: string | undefined;

/** What this checkout would install. Every source is read for it, so only for a stack that has such a resource, and once. */
function offered(): string {
  offering ??= nameOf(root);
  return offering;
}

const wanted = (inputs: ProgramInputs): ProgramState => ({
  ...inputs,
  installed: offered(),
  current: currentOf(inputs.owner),
});

async function ensure(desired: ProgramInputs): Promise<ProgramState> {
  requireHome(desired.home);
  await install(desired.owner, root, offered());
  return wanted(desired);
}

/**
 * The program that the timers at home run: an immutable copy with its own Node, so that nothing that happens to the checkout disturbs a
 * run. On delete the copies go, unless something runs from one.
 */
export const program: Kind<ProgramInputs, ProgramState> = {
  inputs: programInputs,
  computed: ["installed", "current"],
  get promises() {
    return { installed: offered() };
  },
  foresee: (desired) => ({ current: currentOf(desired.owner) }),
  id: ({ owner }) => `program/${owner}`,
  diff: (live, desired) => compare(live, wanted(desired), ["installed", "home", "owner"]),
  rehearse: async ({ home }) => requireHome(home),
  create: (desired) => ensure(desired),
  read: async (known, inputs, context) => {
    if (!(await readableHere(inputs.home, context))) return known;
    const installed = installedFor(inputs.owner);
    return installed === undefined
      ? undefined
      : { ...known, ...inputs, installed, current: currentOf(inputs.owner) };
  },
  update: (_live, desired) => ensure(desired),
  remove: async (_known, inputs, context) => {
    requireHome(inputs.home);
    const running = await forget(inputs.owner);
    if (running.length > 0)
      await context.warn(`${running.join(", ")} in ${versionsFolder()} stays: something runs from it.`);
  },
  leftovers: () => versionsFolder(),
};
