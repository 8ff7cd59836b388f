/** A fleet that is in place, looked at by everybody in turn. */

import { openFarLinks } from "../far-links.ts";
import { ansibleCheck, type Setup } from "./ansible.ts";
import type { Contender } from "./contender.ts";
import { seeDrift } from "./drift.ts";
import { ssh2Facts, sshTrue } from "./floors.ts";
import { type Place, placesOf } from "./machine.ts";
import { type Cost, measure } from "./measure.ts";
import { openBenchStack, plainProject, preview } from "./pulumi.ts";
import { pyinfraDry } from "./pyinfra.ts";
import { recorded } from "./recorded.ts";
import type { Case, Measured } from "./report.ts";
import { counted } from "./sessions.ts";
import { noPull, runUnchanged, type Setting, told } from "./setting.ts";

interface Wanted {
  readonly latencyMilliseconds: number;
  readonly rounds: number;
  /** Whether each has to see a change first. */
  readonly drift: boolean;
}

export async function previews(setting: Setting, wanted: Wanted): Promise<Case> {
  const { machines, stack } = setting;
  const { latencyMilliseconds, rounds, drift } = wanted;
  const addresses = machines.hosts.map(({ address }) => address);
  await using links =
    latencyMilliseconds > 0 ? await openFarLinks(addresses, latencyMilliseconds) : undefined;
  const places = placesOf(machines.hosts, links?.ports);
  await stack.configure(places);
  await stack.run(["up", "--yes", "--skip-preview"], noPull);
  const { length: resources } = await stack.resources();
  await using empty = await openBenchStack();
  await empty.run(["up", "--yes", "--skip-preview"]);
  await using plain = await plainProject(empty);
  const none = preview(empty, resources, {
    name: "empty",
    what: "the same, of a stack without hosts",
    seesDrift: false,
  });
  const contenders = [...(await lookers(setting, places, resources)), none, plain].filter(setting.isWanted);
  if (drift) await seeDrift(setting, contenders);
  const title = `${machines.hosts.length} hosts, ${latencyMilliseconds} ms`;
  return {
    kind: "preview",
    hosts: machines.hosts.length,
    roundTripMilliseconds: latencyMilliseconds,
    resources,
    measured: await inRounds(setting, contenders, { title, rounds }),
  };
}

/** Those that connect to the hosts. */
async function lookers(
  setting: Setting,
  places: readonly Place[],
  resources: number,
): Promise<readonly Contender[]> {
  const { machines, stack, folder, bin, facts } = setting;
  const ours = preview(stack, resources, {
    name: "borgpull",
    what: "`pulumi preview --diff`",
    seesDrift: true,
  });
  const readings = await recorded(machines.hosts, places, () => measure(machines, ours.command()));
  const setup: Setup = { folder, bin, places, facts };
  return [ours, ansibleCheck(setup), pyinfraDry(setup), sshTrue(folder, places), ssh2Facts(folder, readings)];
}

/** One run of each that only counts sessions, and fills caches; then the rounds. */
async function inRounds(
  setting: Setting,
  contenders: readonly Contender[],
  { title, rounds }: { readonly title: string; readonly rounds: number },
): Promise<readonly Measured[]> {
  const { machines, say } = setting;
  const measured: (Omit<Measured, "costs"> & { readonly costs: Cost[] })[] = [];
  for (const contender of contenders) {
    const { result, sessions } = await counted(machines.hosts, () => runUnchanged(setting, contender));
    say(`${title}, not counted: ${contender.name} ${told(result)}`);
    measured.push({ name: contender.name, what: contender.what, sessions, costs: [] });
  }
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const index = (round + turn) % contenders.length; // nobody begins every round
      const contender = contenders[index] as Contender;
      const cost = await runUnchanged(setting, contender);
      measured[index]?.costs.push(cost);
      say(`${title}, round ${round + 1}: ${contender.name} ${told(cost)}`);
    }
  }
  return measured;
}
