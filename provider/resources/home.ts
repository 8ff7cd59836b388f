import * as os from "node:os";
import { type HomeInputs, homeInputs } from "../../schema/inputs.ts";
import type { Kind } from "../kind.ts";
import { thisHome } from "../place.ts";

interface HomeState extends HomeInputs {
  /** `<machine id>/<uid>`: every local resource takes it as input and refuses to act elsewhere. */
  readonly home: string;
  readonly hostname: string;
}

const here = (inputs: HomeInputs): HomeState => ({ ...inputs, home: thisHome(), hostname: os.hostname() });
const moving = (): boolean => process.env.BORGPULL_HOME === "here";

/** Remembers the machine and user of the first `up`; `BORGPULL_HOME=here` moves home to the machine it is given on. */
export const home: Kind<HomeInputs, HomeState> = {
  inputs: homeInputs,
  computed: ["home", "hostname"],
  changing: ["home", "hostname"],
  id: () => "home",
  diff: (live) => (moving() && live.home !== thisHome() ? { home: { kind: "UPDATE" } } : {}),
  create: async (desired) => here(desired),
  read: async (known) => known,
  update: async (live, desired) => (moving() ? here(desired) : { ...live, ...desired }),
  remove: async () => {},
  leftovers: () => "nothing",
};
