import assert from "node:assert/strict";
import { test } from "node:test";
import { type Message, messageSplitter } from "../../../../pull/rpc/messages.ts";
import { type Decision, decide, type Purpose } from "../../../../pull/rpc/policy.ts";
import { requestLimits, requestOf } from "../../../../pull/rpc/request.ts";
import { call, type Data } from "./encode.ts";

const id = Buffer.alloc(32, 7);
const manifest = Buffer.alloc(32);
const open = { phase: "open", changed: true } as const;

function ask(
  purpose: Purpose,
  method: string,
  args: Data,
  existed = false,
  phase = open as object,
): Decision {
  const [message] = [...messageSplitter(requestLimits)(call(1, method, args))];
  const stage = { changed: true, ...phase } as typeof open;
  return decide(requestOf(message as Message), stage, { job: "web1", nonce: 0n }, existed, purpose);
}

const openArgs = (exclusive: boolean): Data => ({
  path: "/./web1",
  create: false,
  lock_wait: 1,
  lock: true,
  exclusive,
  append_only: false,
  make_parent_dirs: false,
});

test("a person may look at everything, with a lock that others share", () => {
  for (const purpose of ["reading", "writing"] as const) {
    assert.equal(ask(purpose, "open", openArgs(false), false, { phase: "negotiated" }).kind, "allow");
    assert.equal(ask(purpose, "get", { id }).kind, "allow");
    assert.equal(ask(purpose, "list", { limit: 1000, marker: null }).kind, "allow");
  }
});

test("who reads changes nothing", () => {
  const changes: readonly (readonly [string, Data])[] = [
    ["put", { id, data: "x", wait: true }],
    ["delete", { id, wait: true }],
    ["commit", { save_space: false, compact: false }],
    ["commit_nonce_reservation", { next_unreserved: 1, start_nonce: 0 }],
  ];
  for (const [method, args] of changes) {
    const decision = ask("reading", method, args);
    assert.deepEqual(decision, { kind: "refuse", reason: "this session only reads" }, method);
    assert.equal(ask("writing", method, args).kind, "allow", method);
  }
});

test("who writes deletes what was there, and neither replaces it nor takes the list of archives away", () => {
  assert.equal(ask("backup", "delete", { id, wait: true }, true).kind, "refuse");
  assert.equal(ask("writing", "delete", { id, wait: true }, true).kind, "allow");
  assert.equal(ask("writing", "put", { id, data: "x", wait: true }, true).kind, "refuse");
  assert.equal(ask("writing", "delete", { id: manifest, wait: true }, true).kind, "refuse");
});

test("what is home's alone is refused to every person on a VPS", () => {
  for (const purpose of ["reading", "writing"] as const) {
    for (const method of ["destroy", "save_key", "break_lock", "check"])
      assert.equal(ask(purpose, method, {}).kind, "refuse", method);
    const creating = { ...(openArgs(true) as object), create: true } as Data;
    assert.equal(ask(purpose, "open", creating, false, { phase: "negotiated" }).kind, "refuse");
    const compacting = ask(purpose, "commit", { save_space: false, compact: true });
    assert.equal(compacting.kind, "refuse");
  }
});
