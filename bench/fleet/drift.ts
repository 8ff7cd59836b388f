import { vpsPaths } from "../../schema/paths.ts";
import type { Contender } from "./contender.ts";
import { measure } from "./measure.ts";
import { noPull, type Setting } from "./setting.ts";

/** A tool that does not see what somebody has changed on one host is not looking, and its time is worth nothing. */
export async function seeDrift(setting: Setting, contenders: readonly Contender[]): Promise<void> {
  const { machines, stack, say, signal } = setting;
  const paths = vpsPaths("borgpull");
  const last = machines.hosts.at(-1);
  const changes = [
    `chmod 700 ${paths.relay}`,
    `sed -i 's/PermitTTY no/PermitTTY yes/' ${paths.dropIn} && systemctl reload ssh`,
    "usermod --comment somebody borgpull",
    `echo '# more' >> ${paths.jobs}/${last?.name}.patterns`,
  ];
  for (const change of changes) {
    await last?.run(change);
    for (const contender of contenders.filter(({ seesDrift }) => seesDrift)) {
      signal.throwIfAborted();
      const ended = await measure(machines, contender.command());
      if (contender.verdict(ended) !== "changed")
        throw new Error(`${contender.name} does not see: ${change}`);
      say(`${contender.name} sees: ${change}`);
    }
    await stack.run(["up", "--yes", "--skip-preview"], noPull);
  }
}
