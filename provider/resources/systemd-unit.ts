import { existsSync } from "node:fs";
import * as os from "node:os";
import { fileState } from "../../remote/facts/file.ts";
import { unitState } from "../../remote/facts/unit.ts";
import { UserError } from "../../schema/errors.ts";
import { type SystemdUnitInputs, systemdUnitInputs } from "../../schema/inputs.ts";
import { compare, compareConnection } from "../compare.ts";
import { putFile, removeFile } from "../files.ts";
import { type Context, type Kind, PartialFailure } from "../kind.ts";
import { mayTakeFile, takenOver } from "../owner.ts";
import { hostOf, readableHere, requireHome } from "../place.ts";

interface SystemdUnitState extends SystemdUnitInputs {
  /** Whether systemd has loaded what is on disk. */
  readonly loaded: boolean;
}

const pathOf = ({ manager, name }: SystemdUnitInputs): string =>
  manager === "system" ? `/etc/systemd/system/${name}` : `${os.homedir()}/.config/systemd/user/${name}`;

/** Where systemd does not run the unit is nothing but what was asked for; the program says what to put into cron. */
const nowhere = ({ manager }: SystemdUnitInputs): boolean => manager === "none";

const unitOf = ({ manager, name }: SystemdUnitInputs) =>
  unitState(manager === "user" ? "user" : "system", name);

const wanted = (inputs: SystemdUnitInputs): SystemdUnitState => ({ ...inputs, loaded: true });

async function ensure(
  desired: SystemdUnitInputs,
  context: Context,
  recorded: boolean,
): Promise<SystemdUnitState> {
  const host = await hostOf(desired, context);
  if (nowhere(desired)) return wanted(desired);
  const { manager, name, content, enabled, active } = desired;
  const path = pathOf(desired);
  const [file, unit] = await Promise.all([host.fact(fileState(path)), host.fact(unitOf(desired))]);
  if (unit.kind === "no-systemd") throw notReached(host.name, desired);
  if (manager === "user") await warnOfLogout(context);
  mayTakeFile(`${host.name}: ${path}`, file, desired, recorded);
  const owner = manager === "system" ? "root" : os.userInfo().username;
  await putFile(host, { path, content, mode: "0644", user: owner, group: owner }, context);
  const applied = await host.run("unit", [
    manager,
    "apply",
    name,
    enabled ? "enabled" : "disabled",
    active ? "active" : "inactive",
  ]);
  if (applied.code === 0) return wanted(desired);
  throw new PartialFailure({ ...wanted(desired), loaded: false }, [
    `${host.name}: systemd does not take ${name}: ${applied.stderr.toString().trim()}. Correct it and run \`pulumi up\` again.`,
  ]);
}

function notReached(host: string, { manager, name }: SystemdUnitInputs): UserError {
  if (manager === "user") {
    const { username } = os.userInfo();
    return new UserError(
      `${host}: no systemd runs for ${username}, so ${name} cannot be scheduled.`,
      `Run \`loginctl enable-linger ${username}\` as root, which has one run from boot on, then \`pulumi up\` again.`,
    );
  }
  return new UserError(
    `${host}: systemd does not run here, so ${name} cannot be scheduled.`,
    "Remove `schedule` and call `borgpull run` from cron, or run this on a machine booted with systemd.",
  );
}

/** A user's systemd ends with the last login, unless the user lingers (loginctl(1)). */
async function warnOfLogout(context: Context): Promise<void> {
  const { username } = os.userInfo();
  if (existsSync(`/var/lib/systemd/linger/${username}`)) return;
  await context.warnOnce(
    `Timers fire only while ${username} is logged in. To have them fire always, run as root: loginctl enable-linger ${username}`,
  );
}

/** A unit file, loaded, enabled and active as asked. A unit asked to be inactive is not stopped: it may be a pull in progress. */
export const systemdUnit: Kind<SystemdUnitInputs, SystemdUnitState> = {
  inputs: systemdUnitInputs,
  computed: ["loaded"],
  promises: { loaded: true },
  id: ({ manager, name }) => `${manager}/${name}`,
  diff: (live, desired) => ({
    ...compareConnection(live, desired),
    ...compare(
      live,
      wanted(desired),
      ["content", "enabled", "active", "loaded", "home", "owner"],
      ["name", "manager"],
    ),
  }),
  rehearse: async ({ home }) => {
    if (home) requireHome(home);
  },
  create: (desired, context) => ensure(desired, context, false),
  read: async (known, inputs, context) => {
    if (inputs.home && !(await readableHere(inputs.home, context))) return known;
    if (nowhere(inputs)) return { ...known, ...inputs };
    const host = await hostOf(inputs, context);
    const [file, unit] = await Promise.all([host.fact(fileState(pathOf(inputs))), host.fact(unitOf(inputs))]);
    if (file.kind === "absent") return undefined;
    const content = file.kind === "file" ? file.content : `(${file.kind})\n`;
    const state =
      unit.kind === "unit" ? unit : { enabled: "no-systemd", active: "no-systemd", loaded: false };
    return {
      ...known,
      ...inputs,
      content,
      enabled: state.enabled === "enabled",
      active: inputs.active && state.active === "active",
      loaded: state.loaded,
    };
  },
  update: (_live, desired, context) => ensure(desired, context, true),
  remove: async (_known, inputs, context) => {
    if (inputs.home) requireHome(inputs.home);
    if (nowhere(inputs)) return;
    const host = await hostOf(inputs, context);
    const { manager, name } = inputs;
    const file = await host.fact(fileState(pathOf(inputs)));
    const other = takenOver(file, inputs.owner);
    if (other !== undefined) {
      await context.warn(`${host.name}: ${name} now belongs to ${other} and stays.`);
      return;
    }
    await host.run("unit", [manager, "stop", name]);
    await removeFile(host, { path: pathOf(inputs) }, context);
    await host.run("unit", [manager, "reload"]);
  },
  leftovers: (inputs) => pathOf(inputs),
};
