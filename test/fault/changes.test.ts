import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { waitFor } from "../e2e/pull-fixture.ts";
import { type Driver, startProvider } from "../provider/driver.ts";
import { drift, type Fixture, fixture, owner } from "../provider/fixture.ts";
import { type Link, openLink } from "./link.ts";
import { outcome } from "./table.ts";

interface Place {
  readonly lab: Fixture;
  readonly link: Link;
  /** The provider that makes the change. */
  readonly provider: Driver;
}

interface Fault {
  readonly name: string;
  /** Nothing more comes from the VPS: only a limit ends the change. */
  readonly silent?: boolean;
  /** What was on its way still arrives. */
  readonly arrives?: boolean;
  readonly strike: (place: Place) => Promise<void>;
  readonly after?: (place: Place) => Promise<void>;
}

const faults: readonly Fault[] = [
  {
    name: "borgpull killed",
    arrives: true,
    strike: async ({ provider, link }) => {
      const exit = once(provider.process, "exit");
      provider.process.kill("SIGKILL");
      await exit;
      link.release();
    },
  },
  {
    name: "VPS's power cut",
    silent: true,
    strike: async ({ lab, link }) => {
      await lab.host.kill();
      link.release();
    },
    after: ({ lab }) => lab.host.start(),
  },
  { name: "link cut", silent: true, strike: async ({ link }) => link.cut() },
];

interface Change {
  readonly moment: string;
  readonly type: string;
  readonly path: string;
  readonly inputs: (on: object, text: string) => Record<string, unknown>;
  /** Resolves in the moment, with everything held. */
  readonly come: (place: Place) => Promise<void>;
  /** In the moment all that the VPS needs for the change may be on its way: it is less than sockets and sshd take ahead. */
  readonly ahead?: boolean;
}

const lock = "/run/borgpull.lock";
const mark = `# Managed by borgpull, owner ${owner}.\n`;
const changes: readonly Change[] = [
  {
    moment: "while a file of the VPS is written",
    type: "borgpull:index:HostFile",
    path: "/etc/borgpull/jobs/web1.patterns",
    inputs: (on, text) => ({
      ...on,
      path: "/etc/borgpull/jobs/web1.patterns",
      content: `${mark}# ${text}\n${"R /srv\n".repeat(60_000)}`,
      mode: "0644",
      user: "root",
      group: "root",
      lock,
    }),
    come: async ({ link, lab }) => {
      await link.holdAfter(200_000);
      const half = "find /etc/borgpull/jobs -name '.borgpull.*' -size +0";
      await waitFor("half the file", async () => (await lab.host.run(half)) !== "");
    },
    ahead: true,
  },
  {
    moment: "between sshd's test and its proof",
    type: "borgpull:index:SshdDropIn",
    path: "/etc/ssh/sshd_config.d/60-borgpull.conf",
    inputs: (on, text) => ({
      ...on,
      path: "/etc/ssh/sshd_config.d/60-borgpull.conf",
      content: `${mark}# ${text}\nMatch User borgpull\n    PermitTTY no\n`,
      user: "borgpull",
      settings: { PermitTTY: "no" },
      lock,
    }),
    come: ({ link }) => link.holdNext(),
  },
];

/** What a change has begun on the VPS and not ended: its script, a held lock, an armed restore. */
const begun = ({ lab: { host } }: Place): Promise<string> =>
  host.run(
    `ps -eo args= | grep -E '^(sh|/bin/sh) -c ' | grep -oE '# (write-file|sshd) ' || :
     flock -n -x ${lock} true || echo "${lock} is held"
     find /run -maxdepth 1 -name 'borgpull-sshd-restore-*'`,
  );

/** Halves of files, made older than the ten minutes that a next write leaves them. */
const halves = ({ lab: { host } }: Place, path: string): Promise<string> =>
  host.run(`find "$(dirname ${path})" -name '.borgpull.*' -print -exec touch -d '11 minutes ago' {} +`);

describe("provisioning", { concurrency: true }, () => {
  for (const change of changes)
    for (const fault of faults) test(`${change.moment}: ${fault.name}`, () => cell(change, fault));
});

async function cell({ moment, type, path, inputs, come, ahead }: Change, fault: Fault): Promise<void> {
  await using lab = await fixture();
  await using link = await openLink({ host: lab.host.address, port: 22 });
  const place = { lab, link, provider: await startProvider() };
  const on = {
    ...lab.on,
    connection: { ...lab.on.connection, host: "127.0.0.1", port: link.port },
  };
  await lab.host.run(`useradd --system --shell /bin/sh borgpull; : > ${lock}`);
  const { outputs } = await place.provider.create(type, inputs(on, "old"));
  const before = await lab.host.run(`cat ${path}`);

  const held = come(place);
  const update = place.provider.update(type, path, outputs, inputs(on, "new")).then(
    () => "done",
    (error: Error) => error.message,
  );
  await held;
  await fault.strike(place);
  const struck = Date.now();
  await update;
  place.provider.process.kill("SIGKILL");
  await fault.after?.(place);
  const withinSeconds = fault.silent ? 180 : 90;
  let left = "";
  const ended = async () => {
    left = await begun(place);
    return left === "";
  };
  const rest = withinSeconds - (Date.now() - struck) / 1000;
  await waitFor("the end of the change", ended, rest).catch(() => assert.fail(left));
  const half = (await halves(place, path)) === "" ? "" : " but for half a file beside it";
  const now = await lab.host.run(`cat ${path}`);

  const seen = await drift(lab.provider, type, path, outputs, inputs(on, "new"));
  await lab.provider.update(type, path, seen.live, inputs(on, "new"));
  assert.deepEqual((await drift(lab.provider, type, path, outputs, inputs(on, "new"))).paths, {});
  const after = await lab.host.run(`cat ${path}`);
  assert.match(after, /# new/);
  assert.ok(now === before || now === after, "neither the old content nor the new is in force");
  assert.equal(await halves(place, path), "");
  const inForce = ahead && fault.arrives ? "old or the new" : now === before ? "old" : "new";
  await outcome(
    moment,
    fault.name,
    `the ${inForce} file is in force; clean in ${withinSeconds} s${half}; next up good`,
  );
}
