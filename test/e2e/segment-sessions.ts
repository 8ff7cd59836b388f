/** Sessions and home operations, honest and hostile, as real borg carries them out. */
import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { lastCommitted, manifestId, type SegmentAudit } from "../../pull/segments.ts";
import { waitFor } from "./pull-fixture.ts";
import type { ClientSession, ServedBorg } from "./served-borg.ts";

export const create = ["create", "--chunker-params=10,14,12,63"]; // chunks of about 4 kB

/** Bytes that are always the same for a number, and look like nothing else. */
export const content = (number: number, bytes: number): Buffer =>
  createCipheriv("aes-128-ctr", Buffer.alloc(16, number), Buffer.alloc(16)).update(Buffer.alloc(bytes));

/** One of the files that are backed up, with one of some contents. */
export function write(borg: ServedBorg, file: number, of: number): void {
  fs.mkdirSync(path.join(borg.folder, "src"), { recursive: true });
  fs.writeFileSync(path.join(borg.folder, "src", `file${file}`), content(of, 20_000 + of * 3000));
}

/** Feeds a client until its session has committed a checkpoint. */
async function feedToCheckpoint(borg: ServedBorg, { feed, ended }: ClientSession): Promise<void> {
  const from = await lastCommitted(borg.repository);
  let fed = 0;
  const committed = async () => {
    await feed(content(fed++ % 200, 10_000));
    return (await lastCommitted(borg.repository)) !== from;
  };
  const tooEarly = ended.then(({ code, stderr }) => assert.fail(`borg has ended: ${code}: ${stderr}`));
  await Promise.race([waitFor("a checkpoint", committed, 60), tooEarly]);
}

/** More bytes than the pipes between the test and borg's server hold. */
const atWork = 500_000;

type Honest = (borg: ServedBorg, archive: string, kilobytes: number) => Promise<"session" | "home">;

const streamed = (archive: string, ...options: string[]) => [
  ...create,
  ...options,
  `::${archive}`,
  "src",
  "-",
];

/** All that an honest VPS, a bad line and home do to a repository. */
export const honest: Readonly<Record<string, Honest>> = {
  async "a backup"(borg, archive) {
    await borg.vps(...create, `::${archive}`, "src");
    return "session";
  },
  async "a backup of what has not changed"(borg, archive) {
    await borg.vps(...create, `::${archive}`, "src");
    await borg.vps(...create, `::${archive}-again`, "src");
    return "session";
  },
  async "a backup with checkpoints"(borg, archive) {
    const session = borg.client(streamed(archive, "--checkpoint-interval=1"));
    await feedToCheckpoint(borg, session);
    await feedToCheckpoint(borg, session);
    session.client.stdin.end();
    assert.equal((await session.ended).code, 0);
    return "session";
  },
  async "a client that is killed"(borg, archive, kilobytes) {
    const { client, feed, ended } = borg.client(streamed(archive));
    await feed(content(1, kilobytes * 1000));
    client.kill("SIGKILL");
    await ended;
    return "session";
  },
  async "a client that is killed after a checkpoint"(borg, archive, kilobytes) {
    const session = borg.client(streamed(archive, "--checkpoint-interval=1"));
    await feedToCheckpoint(borg, session);
    await session.feed(content(2, kilobytes * 1000));
    session.client.kill("SIGKILL");
    await session.ended;
    return "session";
  },
  async "a client that is interrupted"(borg, archive, kilobytes) {
    const { client, feed, ended } = borg.client(streamed(archive));
    await feed(content(3, atWork + kilobytes * 1000));
    client.kill("SIGINT"); // borg writes a checkpoint, and stops after this file
    await feed(content(4, 100_000));
    client.stdin.end();
    assert.notEqual((await ended).code, 0);
    return "session";
  },
  async "a server that is killed"(borg, archive, kilobytes) {
    const { client, feed, ended, killServe } = borg.client(streamed(archive));
    await feed(content(5, atWork + kilobytes * 1000));
    killServe();
    client.stdin.end();
    assert.notEqual((await ended).code, 0);
    return "session";
  },
  async "a backup after the VPS lost its caches"(borg, archive) {
    fs.rmSync(path.join(borg.folder, "vps/.cache"), { recursive: true, force: true });
    await borg.vps(...create, `::${archive}`, "src");
    return "session";
  },
  async "a backup after one that died before it wrote its caches"(borg, archive) {
    const [caches, kept] = ["vps/.cache", "kept"].map((name) => path.join(borg.folder, name)) as [
      string,
      string,
    ];
    fs.rmSync(kept, { recursive: true, force: true });
    if (fs.existsSync(caches)) fs.renameSync(caches, kept);
    await borg.vps(...create, `::${archive}-first`, "src");
    fs.rmSync(caches, { recursive: true });
    if (fs.existsSync(kept)) fs.renameSync(kept, caches);
    await borg.vps(...create, `::${archive}`, "src");
    return "session";
  },
  async "a look from home"(borg) {
    await borg.home("list", "::", "--consider-checkpoints");
    return "session";
  },
  async "prune and compact at home"(borg) {
    await borg.home("prune", "--keep-last=2");
    await borg.home("compact");
    return "home";
  },
};

interface Hostile {
  readonly does: string;
  /** @param old an object that was there before, a chunk of a file or of the list of files */
  readonly act: (borg: ServedBorg, old: string) => Promise<unknown>;
  /** What must be found at least; how much there is to be found, borg's index knows. */
  readonly found: Partial<Pick<SegmentAudit, "deleted" | "overwritten" | "manifest">>;
  /** The change is in the log, but not in borg's index until that is made anew. */
  readonly inLogOnly?: true;
  /** Honest borg cannot work with what is left. */
  readonly last?: true;
}

export const hostile: readonly Hostile[] = [
  { does: "delete an archive", act: (borg) => borg.vps("delete", "::first"), found: { deleted: 1 } },
  { does: "prune all", act: (borg) => borg.vps("prune", "--keep-last=1"), found: { deleted: 2 } },
  {
    does: "delete and recreate under the same name",
    act: async (borg) => {
      await borg.vps("delete", "::first");
      await borg.vps(...create, "::first", "src");
    },
    found: { deleted: 1 },
  },
  {
    does: "delete everything, then back up again what was there",
    act: async (borg) => {
      await borg.vps("delete", "::first", "second", "before");
      await borg.vps(...create, "::again", "src");
    },
    found: { deleted: 2, overwritten: 5 },
  },
  {
    does: "delete one chunk",
    act: (borg, old) => borg.vps("debug", "delete-obj", "::", old),
    found: { deleted: 1 },
  },
  {
    does: "overwrite one chunk",
    act: async (borg, old) => {
      fs.writeFileSync(path.join(borg.folder, "garbage"), "garbage");
      await borg.vps("debug", "put-obj", "::", old, "garbage");
    },
    found: { overwritten: 1 },
  },
  {
    does: "overwrite one chunk twice, then delete it",
    act: (borg, old) => {
      const id = `hex:${old}`;
      const put = ["put", { id, data: "hex:00" }] as const;
      return borg.rpc([put, ["commit", {}], put, ["delete", { id }], ["commit", {}]]);
    },
    found: { deleted: 1 },
  },
  {
    does: "put over a chunk what is no data",
    act: (borg, old) =>
      borg.rpc([
        ["put", { id: `hex:${old}`, data: 7 }],
        ["put", { id: `hex:${old}`, data: ["x"] }],
        ["commit", {}],
      ]),
    found: { deleted: 1 },
    inLogOnly: true,
  },
  {
    does: "delete the manifest",
    act: (borg) =>
      borg.rpc([
        ["delete", { id: `hex:${manifestId}` }],
        ["commit", {}],
      ]),
    found: { manifest: "deleted" },
    last: true,
  },
];
