import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Message, messageSplitter } from "../../../../pull/rpc/messages.ts";
import { type Before, type Decision, decide, objectOf, type Stage } from "../../../../pull/rpc/policy.ts";
import { harmlessRequest, maxDataBytes, requestLimits, requestOf } from "../../../../pull/rpc/request.ts";
import { call, type Data, encode } from "./encode.ts";

const before: Before = { job: "web1", nonce: 1n << 30n };
const opened: Stage = { phase: "open", changed: false };
const id = Buffer.alloc(32, 7);
const manifest = Buffer.alloc(32);

const requestFrom = (bytes: Buffer) => requestOf([...messageSplitter(requestLimits)(bytes)][0] as Message);

function ask(method: string, args: Data = {}, stage: Stage = opened, existed = false): Decision {
  return decide(requestFrom(call(1, method, args)), stage, before, existed);
}

const openArgs = {
  path: "/./web1",
  create: false,
  lock_wait: 60,
  lock: true,
  exclusive: true,
  append_only: false,
  make_parent_dirs: false,
};

test("what a backup asks for, in its order, is allowed", () => {
  const steps: readonly (readonly [string, Data])[] = [
    ["negotiate", { client_data: { client_version: [1, 4, 0] } }],
    ["open", openArgs],
    ["get", { id: manifest }],
    ["load_key", {}],
    ["get_free_nonce", {}],
    ["commit_nonce_reservation", { next_unreserved: (1 << 30) + 2 ** 28, start_nonce: 1 << 30 }],
    ["__len__", {}],
    ["list", { limit: 100_000, marker: null }],
    ["list", { limit: 100_000, marker: id }],
    ["put", { id, data: "x", wait: true }],
    ["put", { id: manifest, data: "x", wait: true }],
    ["commit", { save_space: false, compact: false, threshold: 0.1, cleanup_commits: false }],
    ["delete", { id, wait: true }],
    ["rollback", {}],
  ];
  let stage: Stage = { phase: "new", changed: false };
  for (const [method, args] of steps) {
    const decision = ask(method, args, stage);
    assert.ok(decision.kind === "allow", `${method}: ${JSON.stringify(decision)}`);
    stage = decision.stage;
  }
});

test("every other method is refused, whatever its arguments", () => {
  const others = [
    ...["destroy", "break_lock", "save_key", "check", "scan", "inject_exception"],
    ...["constructor", "__proto__", "close", "x"],
  ];
  for (const method of others) assert.equal(ask(method).kind, "refuse", method);
  fc.assert(
    fc.property(fc.stringMatching(/^[a-z_]{1,40}$/), (method) => {
      const known =
        /^(negotiate|open|get|load_key|get_free_nonce|commit_nonce_reservation|__len__|list|put|commit|delete|rollback)$/;
      assert.equal(known.test(method) || ask(method).kind === "refuse", true);
    }),
  );
});

test("only negotiate comes first, only open second, and neither comes twice", () => {
  const stages = ["new", "negotiated", "open"] as const;
  const asked: readonly (readonly [string, Data])[] = [
    ["negotiate", { client_data: {} }],
    ["open", openArgs],
    ["get", { id }],
  ];
  for (const [at, phase] of stages.entries()) {
    const kinds = asked.map(([method, args]) => ask(method, args, { phase, changed: false }).kind);
    assert.deepEqual(
      kinds,
      stages.map((_, i) => (i === at ? "allow" : "refuse")),
    );
  }
});

for (const [what, change] of Object.entries<{ readonly [name: string]: Data }>({
  "to be created": { create: true },
  "to be created, as a number": { create: 1 },
  "without a lock": { lock: false },
  "with a lock that is nil": { lock: null },
  "without the exclusive lock": { exclusive: false },
  "with an exclusive that is nil": { exclusive: null },
  "with an endless wait": { lock_wait: -1 },
  "of another job": { path: "/./web2" },
  "by its absolute path": { path: "/srv/backup/web1" },
  "with a longer path": { path: "/./web1/" },
  "with a way out": { path: "/./web1/../web2" },
  "with a zero byte in its path": { path: "/./web1\0" },
  "with an argument of no client's": { storage_quota: 1 },
})) {
  test(`a repository ${what} is not opened`, () => {
    assert.equal(
      ask("open", { ...openArgs, ...change }, { phase: "negotiated", changed: false }).kind,
      "refuse",
    );
  });
}

test("a path is compared as bytes, not as whatever they decode to", () => {
  const path = Buffer.from("/./web1").fill(0xff, 3, 4);
  assert.equal(ask("open", { ...openArgs, path }, { phase: "negotiated", changed: false }).kind, "refuse");
});

test("what was there before is neither deleted nor put again; what is new may be", () => {
  assert.equal(ask("put", { id, data: "x" }, opened, true).kind, "replace");
  assert.equal(ask("delete", { id }, opened, true).kind, "refuse");
  assert.equal(ask("put", { id, data: "x" }, opened, false).kind, "allow");
  assert.equal(ask("delete", { id }, opened, false).kind, "allow");
});

test("the list of archives is put, and never deleted", () => {
  const put = requestFrom(call(1, "put", { id: manifest, data: "x" }));
  assert.equal(objectOf(put), undefined); // nobody asks whether it existed
  assert.equal(ask("put", { id: manifest, data: "x" }).kind, "allow");
  assert.equal(ask("delete", { id: manifest }).kind, "refuse");
});

test("whether an object existed is asked for puts and deletes alone", () => {
  assert.deepEqual(objectOf(requestFrom(call(1, "put", { id, data: "x" }))), id);
  assert.deepEqual(objectOf(requestFrom(call(1, "delete", { id }))), id);
  assert.equal(objectOf(requestFrom(call(1, "get", { id }))), undefined);
});

for (const [what, method, args] of [
  ["an id that is too short", "put", { id: Buffer.alloc(31), data: "x" }],
  ["an id that is too long", "get", { id: Buffer.alloc(33) }],
  ["an id that is a number", "delete", { id: 5 }],
  ["no id", "delete", {}],
  // borg's server would note the old object as deleted before it fails
  ["no data", "put", { id: manifest }],
  ["data that is nil", "put", { id: manifest, data: null }],
  ["data that is a list", "put", { id: manifest, data: ["x"] }],
  ["more data than borg takes", "put", { id: manifest, data: Buffer.alloc(maxDataBytes + 1) }],
  ["a list of everything", "list", { limit: null, marker: null }],
  ["a longer list than clients ask for", "list", { limit: 100_001, marker: null }],
] as const) {
  test(`${what} is refused for ${method}`, () => {
    assert.equal(ask(method, args).kind, "refuse");
  });
}

test("compacting is never asked for by a commit", () => {
  const changed: Stage = { phase: "open", changed: true };
  const args = { save_space: false, compact: false, threshold: 0.1, cleanup_commits: false };
  assert.equal(ask("commit", args, changed).kind, "allow");
  assert.equal(ask("commit", { ...args, compact: true }, changed).kind, "refuse");
  assert.equal(ask("commit", { ...args, cleanup_commits: true }, changed).kind, "refuse");
  assert.equal(ask("commit", { save_space: false }, changed).kind, "refuse"); // the server would compact
});

test("a commit without a change before it is refused, after a rollback too", () => {
  const args = { compact: false };
  assert.equal(ask("commit", args).kind, "refuse");
  const put = ask("put", { id, data: "x" });
  assert.ok(put.kind === "allow" && put.stage.changed);
  const rollback = ask("rollback", {}, put.stage);
  assert.ok(rollback.kind === "allow");
  assert.equal(ask("commit", args, rollback.stage).kind, "refuse");
});

test("a reservation of nonces goes forward, and not further than any backup needs from the session's start", () => {
  const end = (before.nonce as bigint) + (1n << 44n);
  fc.assert(
    fc.property(
      fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
      fc.bigInt({ min: 0n, max: 1n << 62n }),
      (next, start) => {
        const kind = ask("commit_nonce_reservation", { next_unreserved: next, start_nonce: start }).kind;
        assert.equal(kind, next >= start && next <= end ? "allow" : "refuse");
      },
    ),
    {
      examples: [
        [end, 0n],
        [end + 1n, end],
        [5n, 6n],
        [1n << 63n, (1n << 62n) + 5n],
      ],
    },
  );
  assert.equal(
    ask("commit_nonce_reservation", { next_unreserved: 1 << 28, start_nonce: null }).kind,
    "allow",
  );
  assert.equal(ask("commit_nonce_reservation", { next_unreserved: true, start_nonce: 0 }).kind, "refuse");
});

test("the harmless request is one that is allowed, under the same message id", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff_ffff }), (id) => {
      const request = requestFrom(harmlessRequest(id));
      assert.deepEqual([request.id, request.method, request.args.size], [id, "__len__", 0]);
    }),
  );
  assert.deepEqual(requestFrom(encode({ i: 9, m: "__len__", a: {} })), requestFrom(harmlessRequest(9)));
});

const askReading = (method: string, args: Data = {}, stage: Stage = opened): Decision =>
  decide(requestFrom(call(1, method, args)), stage, before, false, "restore");

test("what a restore asks for, in its order, is allowed", () => {
  const steps: readonly (readonly [string, Data])[] = [
    ["negotiate", { client_data: { client_version: [1, 2, 4] } }],
    ["open", { ...openArgs, exclusive: false }],
    ["get", { id: manifest }],
    ["load_key", {}],
    ["get", { id }],
    ["rollback", {}],
  ];
  let stage: Stage = { phase: "new", changed: false };
  for (const [method, args] of steps) {
    const decision = askReading(method, args, stage);
    assert.ok(decision.kind === "allow" && decision.written === 0, `${method}: ${JSON.stringify(decision)}`);
    stage = decision.stage;
  }
});

test("a restore may change nothing, reserve nothing, and keep nobody else from reading", () => {
  const changes: readonly (readonly [string, Data])[] = [
    ["put", { id, data: "x", wait: true }],
    ["delete", { id, wait: true }],
    ["commit", { save_space: false, compact: false, threshold: 0.1, cleanup_commits: false }],
    ["get_free_nonce", {}],
    ["commit_nonce_reservation", { next_unreserved: (1 << 30) + 2 ** 28, start_nonce: 1 << 30 }],
    ["list", { limit: 100_000, marker: null }],
    ...["destroy", "break_lock", "save_key", "check", "scan"].map((method) => [method, {}] as const),
  ];
  for (const [method, args] of changes) assert.equal(askReading(method, args).kind, "refuse", method);
  const negotiated: Stage = { phase: "negotiated", changed: false };
  for (const change of [{ exclusive: true }, { lock: false }, { create: true }, { path: "/./web2" }]) {
    const args = { ...openArgs, exclusive: false, ...change };
    assert.equal(askReading("open", args, negotiated).kind, "refuse", JSON.stringify(change));
  }
});
