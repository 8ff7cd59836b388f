import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { type HomeInputs, homeInputs } from "../../schema/inputs.ts";
import { homePaths } from "../../schema/paths.ts";
import type { Kind } from "../kind.ts";
import { moving, thisHome } from "../place.ts";

/** The machine and user at home, and what follows from them: on any other machine the program takes these from here, not from itself. */
interface HomeState extends HomeInputs {
  /** `<machine id>/<uid>`: every local resource takes it as input and refuses to act elsewhere. */
  readonly home: string;
  readonly hostname: string;
  /** The folder of job files, keys and passphrases. */
  readonly config: string;
  /** The folder of records, locks and the installed program. */
  readonly state: string;
  readonly user: string;
  readonly group: string;
  /** Whose systemd runs the timers; "none" where none runs. */
  readonly manager: "system" | "user" | "none";
  /** How home logs in as administrator where a host names no identity: "agent" or the path of a private key. */
  readonly identity: string;
  /** The variables by which a timer finds config and state where `up` put them. */
  readonly placement: Readonly<Record<string, string>>;
}

/** sd_booted(3). */
const systemdRuns = (): boolean => existsSync("/run/systemd/system");
const placement = ["BORGPULL_CONFIG", "BORGPULL_STATE", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] as const;

function here(inputs: HomeInputs): HomeState {
  const { uid, username } = os.userInfo();
  return {
    ...inputs,
    home: thisHome(),
    hostname: os.hostname(),
    config: homePaths().config,
    state: homePaths().state,
    user: username,
    group: execFileSync("id", ["-gn"], { encoding: "utf8", timeout: 10_000 }).trim(),
    manager: systemdRuns() ? (uid === 0 ? "system" : "user") : "none",
    identity: process.env.SSH_AUTH_SOCK ? "agent" : path.join(os.homedir(), ".ssh/id_ed25519"),
    placement: Object.fromEntries(
      placement.flatMap((key) => (process.env[key] ? [[key, process.env[key]]] : [])),
    ),
  };
}

const computed = [
  "home",
  "hostname",
  "config",
  "state",
  "user",
  "group",
  "manager",
  "identity",
  "placement",
] as const;

/** What may have become known or another since: 0.1.0 did not note the state's folder, and systemd may run now where none did. */
const following = ["state", "manager"] as const;
function changed(live: HomeState): readonly (typeof following)[number][] {
  if (live.home !== thisHome()) return [];
  const manager = here(live).manager !== live.manager;
  return [...(live.state === undefined ? ["state" as const] : []), ...(manager ? ["manager" as const] : [])];
}

/** Remembers the machine and user of the first `up`; `BORGPULL_HOME=here` moves home to the machine it is given on. */
export const home: Kind<HomeInputs, HomeState> = {
  inputs: homeInputs,
  computed,
  changing: moving() ? computed : following,
  foresee: here,
  id: () => "home",
  diff: (live) => ({
    ...(moving() && live.home !== thisHome() ? { home: { kind: "UPDATE" } } : {}),
    ...Object.fromEntries(changed(live).map((name) => [name, { kind: "UPDATE" }])),
  }),
  create: async (desired) => here(desired),
  read: async (known, _inputs, { hosts }) => {
    if (known.home === thisHome()) hosts.home.lookAhead([`files ${path.join(known.config, "jobs")}`]);
    return known;
  },
  update: async (live, desired) => {
    if (moving()) return here(desired);
    const now = here(desired);
    const followed = Object.fromEntries(changed(live).map((name) => [name, now[name]]));
    return { ...live, ...desired, ...followed };
  },
  remove: async () => {},
  leftovers: () => "nothing",
};
