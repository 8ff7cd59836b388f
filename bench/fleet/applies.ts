/** The first apply, on hosts as new each time; what the rivals make has to be what our `up` makes. */
import { ansibleApply, type Setup } from "./ansible.ts";
import type { Command } from "./contender.ts";
import { type Machines, placesOf } from "./machine.ts";
import { type Cost, measure } from "./measure.ts";
import { type BenchStack, openBenchStack, up } from "./pulumi.ts";
import { pyinfraApply } from "./pyinfra.ts";
import type { Case, Measured } from "./report.ts";
import { counted, type Sessions } from "./sessions.ts";
import { noPull, type Setting, told } from "./setting.ts";
import { condition } from "./texts.ts";

const tools = {
  borgpull: "`pulumi up`, without its pull",
  pyinfra: "`pyinfra --yes`",
  ansible: "`ansible-playbook`, pipelining, forks = hosts",
} as const;
type Tool = keyof typeof tools;

export async function applies(setting: Setting, rounds: number): Promise<Case> {
  const { machines, isWanted, say } = setting;
  const reference = await Promise.all(machines.hosts.map(condition));
  const names = (Object.keys(tools) as Tool[]).filter((name) => isWanted({ name }));
  const found = names.map((name) => ({
    name,
    what: tools[name],
    sessions: [] as Sessions[],
    costs: [] as Cost[],
  }));
  for (let round = 0; round < rounds; round++) {
    for (let turn = 0; turn < names.length; turn++) {
      const index = (round + turn) % names.length;
      const { cost, sessions } = await apply(setting, names[index] as Tool, reference);
      found[index]?.costs.push(cost);
      found[index]?.sessions.push(sessions);
      say(`${machines.hosts.length} hosts, first apply ${round + 1}: ${names[index]} ${told(cost)}`);
    }
  }
  const measured: readonly Measured[] = found.map(({ sessions, ...rest }) => ({
    ...rest,
    sessions: sessions.at(-1) ?? { connections: 0, execs: 0 },
  }));
  const { length: resources } = await setting.stack.resources();
  return { kind: "apply", hosts: machines.hosts.length, roundTripMilliseconds: 0, resources, measured };
}

async function apply(
  setting: Setting,
  tool: Tool,
  reference: readonly string[],
): Promise<{ readonly cost: Cost; readonly sessions: Sessions }> {
  const { machines, folder, bin, facts, signal } = setting;
  signal.throwIfAborted();
  await machines.reinstall();
  const places = placesOf(machines.hosts, undefined);
  const setup: Setup = { folder, bin, places, facts };
  await using stack = tool === "borgpull" ? await openBenchStack() : undefined;
  await stack?.configure(places);
  const command = stack
    ? withoutPull(stack, places.length)
    : (tool === "ansible" ? ansibleApply : pyinfraApply)(setup);
  const { result, sessions } = await counted(machines.hosts, () => measure(machines, command));
  if (result.code !== 0) throw new Error(`${tool} failed:\n${result.output.slice(-8000)}`);
  if (stack) await stack.run(["preview", "--expect-no-changes"], noPull);
  else await same(machines, reference, tool);
  return { cost: result.cost, sessions };
}

/** More at once than there can be resources. */
function withoutPull(stack: BenchStack, hosts: number): Command {
  const command = up(stack, hosts * 30);
  return { ...command, env: { ...command.env, ...noPull } };
}

async function same({ hosts }: Machines, reference: readonly string[], tool: Tool): Promise<void> {
  for (const [index, host] of hosts.entries()) {
    const found = await condition(host);
    if (found === reference[index]) continue;
    throw new Error(`${tool} left ${host.name} otherwise than our up:\n${reference[index]}\n---\n${found}`);
  }
}
