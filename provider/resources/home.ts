import { execFileSync } from "node:child_process";
import * as os from "node:os";
import * as path from "node:path";
import { fileURLToPath } from "node:url";
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
  readonly user: string;
  readonly group: string;
  /** Whose systemd runs the timers. */
  readonly manager: "system" | "user";
  /** How home logs in as administrator where a host names no identity: "agent" or the path of a private key. */
  readonly identity: string;
  /** The checkout that the timers run. */
  readonly program: string;
  /** The variables by which a timer finds config and state where `up` put them. */
  readonly placement: Readonly<Record<string, string>>;
}

const checkout = fileURLToPath(new URL("../..", import.meta.url));
const placement = ["BORGPULL_CONFIG", "BORGPULL_STATE", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] as const;

function here(inputs: HomeInputs): HomeState {
  const { uid, username } = os.userInfo();
  return {
    ...inputs,
    home: thisHome(),
    hostname: os.hostname(),
    config: homePaths().config,
    user: username,
    group: execFileSync("id", ["-gn"], { encoding: "utf8", timeout: 10_000 }).trim(),
    manager: uid === 0 ? "system" : "user",
    identity: process.env.SSH_AUTH_SOCK ? "agent" : path.join(os.homedir(), ".ssh/id_ed25519"),
    program: checkout,
    placement: Object.fromEntries(
      placement.flatMap((key) => (process.env[key] ? [[key, process.env[key]]] : [])),
    ),
  };
}

const computed = [
  "home",
  "hostname",
  "config",
  "user",
  "group",
  "manager",
  "identity",
  "program",
  "placement",
] as const;
/** The checkout was moved, at home: its timers must follow. */
const movedProgram = (live: HomeState): boolean => live.home === thisHome() && live.program !== checkout;

/** Remembers the machine and user of the first `up`; `BORGPULL_HOME=here` moves home to the machine it is given on. */
export const home: Kind<HomeInputs, HomeState> = {
  inputs: homeInputs,
  computed,
  changing: moving() ? computed : ["program"],
  foresee: here,
  id: () => "home",
  diff: (live) => ({
    ...(moving() && live.home !== thisHome() ? { home: { kind: "UPDATE" } } : {}),
    ...(movedProgram(live) ? { program: { kind: "UPDATE" } } : {}),
  }),
  create: async (desired) => here(desired),
  read: async (known) => known,
  update: async (live, desired) => {
    if (moving()) return here(desired);
    return movedProgram(live) ? { ...live, ...desired, program: checkout } : { ...live, ...desired };
  },
  remove: async () => {},
  leftovers: () => "nothing",
};
