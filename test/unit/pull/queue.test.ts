import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { test } from "node:test";
import { takeSlot } from "../../../pull/attempts/queue.ts";

const dir = fs.mkdtempSync(path.join(os.tmpdir(), "queue-"));
test.after(() => fs.rmSync(dir, { recursive: true }));

const newFolder = () => path.join(fs.mkdtempSync(path.join(dir, "one-")), "slots");

/** Asks for a slot; `waits` resolves with the jobs that it has to wait for. */
function ask(folder: string, job: string, limit: number, signal?: AbortSignal) {
  const waits = Promise.withResolvers<readonly string[]>();
  const slot = takeSlot({ folder, job, limit, signal, onWait: waits.resolve });
  slot.catch(() => {});
  return { slot, waits: waits.promise };
}

const letGo = (slot: Disposable) => slot[Symbol.dispose]();

/** Whether a promise is settled, now that the event loop had nothing else to do. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const open = Symbol();
  await new Promise(setImmediate);
  return (await Promise.race([promise, Promise.resolve(open)])) !== open;
}

test("as many as the limit have a slot; the next waits, knows for whom, and has one as soon as the first is done", async () => {
  const folder = newFolder();
  const first = await ask(folder, "web1", 2).slot;
  const second = await ask(folder, "db1", 2).slot;
  const third = ask(folder, "mail1", 2);
  assert.deepEqual(await third.waits, ["web1", "db1"]);
  assert.equal(await isSettled(third.slot), false);
  letGo(first);
  letGo(await third.slot);
  letGo(second);
});

test("who waits longest comes first, also before somebody who asks while a slot is free", async () => {
  const folder = newFolder();
  const running = await ask(folder, "web1", 1).slot;
  const order: string[] = [];
  const done: Promise<void>[] = [];
  const join = (job: string) => {
    const { slot, waits } = ask(folder, job, 1);
    done.push(
      slot.then((got) => {
        order.push(job);
        letGo(got);
      }),
    );
    return waits;
  };
  for (const job of ["a", "b"]) await join(job);
  letGo(running);
  join("late");
  await Promise.all(done);
  assert.deepEqual(order, ["a", "b", "late"]);
});

test("a job that is to run alone waits for a slot of its own and holds up no other", async () => {
  const folder = newFolder();
  const running = await ask(folder, "web1", 4).slot;
  const alone = ask(folder, "alone", 1);
  assert.deepEqual(await alone.waits, ["web1"]);
  const other = await ask(folder, "db1", 4).slot;
  assert.equal(await isSettled(alone.slot), false);
  letGo(running);
  letGo(await alone.slot);
  letGo(other);
});

test("who gives up waiting leaves the line, and the next has its turn", async () => {
  const folder = newFolder();
  const running = await ask(folder, "web1", 1).slot;
  const cancel = new AbortController();
  const first = ask(folder, "a", 1, cancel.signal);
  await first.waits;
  const second = ask(folder, "b", 1);
  await second.waits;
  cancel.abort(new Error("enough"));
  await assert.rejects(
    first.slot,
    (error) => (error as Error).name === "AbortError" || /enough/.test(String(error)),
  );
  letGo(running);
  letGo(await second.slot);
  assert.deepEqual(fs.readdirSync(path.join(folder, "waiting")), []);
});

test("the slot of a process that was killed is free at once, and so is its place in the line", async () => {
  const folder = newFolder();
  const holder = await otherProcess(folder, "web1");
  const second = await otherProcess(folder, "db1");
  assert.deepEqual([holder.said, second.said], ["has a slot", "waits for web1"]);
  const third = ask(folder, "mail1", 1);
  assert.deepEqual(await third.waits, ["web1"]);
  await second.kill();
  await holder.kill();
  letGo(await third.slot);
  assert.deepEqual(fs.readdirSync(path.join(folder, "waiting")), []);
});

async function otherProcess(folder: string, job: string) {
  const program = `
    const { takeSlot } = await import(${JSON.stringify(new URL("../../../pull/attempts/queue.ts", import.meta.url).href)});
    const onWait = (running) => console.log("waits for " + running);
    globalThis.slot = await takeSlot({ folder: ${JSON.stringify(folder)}, job: ${JSON.stringify(job)}, limit: 1, onWait });
    console.log("has a slot");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const [output] = (await once(child.stdout, "data")) as [Buffer];
  return {
    said: output.toString().trim(),
    kill: async () => {
      child.kill("SIGKILL");
      await once(child, "exit");
    },
  };
}
