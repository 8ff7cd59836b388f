/**
 * A process that stands in for N VPSes: one ssh server behind an address of the loopback network each, which answers what a real host
 * has answered, with the host's own name in it. It has no shell and no files: 1 000 booted systems would need more than two cores, and
 * what they cost is not the question here. Key exchange, logins and channels are real (ssh2's server; a real sshd costs more, on machines
 * of its own). A question that no host was asked before is refused and counted, so that it cannot pass for an answer.
 *
 * Started by stand-ins.ts with fork(), which tells it what to be.
 */
import { once } from "node:events";
import * as net from "node:net";
import ssh2 from "ssh2";
import { type Connection, connect } from "../../remote/connect.ts";
import { commandLine } from "../../remote/quote.ts";
import type { Target } from "../../schema/target.ts";
import { answerOf, answersIn, questionsOf, rowsOf, scriptWith } from "./facts.ts";
import { addressOf, type Original, substitute, type Words, wordsOf } from "./names.ts";

/** What it is told first. */
export interface Task {
  readonly original: Original;
  readonly hosts: number;
  readonly port: number;
  /** The private host key of all, in OpenSSH's form. */
  readonly hostKey: string;
  /** Type and base64: who may log in, as anybody. */
  readonly adminKey: string;
  readonly answers: readonly (readonly [question: string, row: string])[];
  /** The real host: asked what has no answer yet. Without it, nothing is answered that is not known. */
  readonly real?: Target;
}

/** How much it was used since it was last asked. */
export interface Counts {
  readonly connections: number;
  readonly executions: number;
  /** Of the host that had most of them. */
  readonly mostConnections: number;
  readonly mostExecutions: number;
  readonly questions: number;
  /** Commands and questions without an answer; some of them. */
  readonly unknown: readonly string[];
  readonly cpuSeconds: number;
}

export type Message =
  | { readonly kind: "ready" }
  | { readonly kind: "counts"; readonly counts: Counts }
  | { readonly kind: "answers"; readonly answers: Task["answers"] };

const tell = (message: Message) => process.send?.(message);

/** The answers in the words of each host. */
function replies(task: Task) {
  const known = new Map(task.answers);
  const made = new Map<number, { readonly there: Words; readonly back: Words }>();
  const wordsFor = (n: number) => {
    const there = wordsOf(task.original, n);
    const words = made.get(n) ?? { there, back: new Map([...there].map(([a, b]) => [b, a])) };
    made.set(n, words);
    return words;
  };
  return {
    answers: known,
    /** A question of host n in the words of the original. */
    asked: (question: string, n: number) => substitute(question, wordsFor(n).back),
    /** A row of the original in the words of host n. */
    row: (row: string, n: number) => {
      const plain = Buffer.from(row, "base64").toString("latin1");
      const own = substitute(plain, wordsFor(n).there);
      return own === plain ? row : Buffer.from(own, "latin1").toString("base64");
    },
  };
}

function counter() {
  const connections = new Map<number, number>();
  const executions = new Map<number, number>();
  const add = (counts: Map<number, number>, n: number) => counts.set(n, (counts.get(n) ?? 0) + 1);
  const sum = (counts: Map<number, number>) => [...counts.values()].reduce((a, b) => a + b, 0);
  const most = (counts: Map<number, number>) => Math.max(0, ...counts.values());
  let questions = 0;
  let unknown: string[] = [];
  let cpu = process.cpuUsage();
  return {
    connected: (n: number) => add(connections, n),
    executed: (n: number) => add(executions, n),
    asked: (count: number) => {
      questions += count;
    },
    unknown: (what: string) => {
      unknown.push(what.slice(0, 200));
    },
    take: (): Counts => {
      const { user, system } = process.cpuUsage(cpu);
      const counts = {
        connections: sum(connections),
        executions: sum(executions),
        mostConnections: most(connections),
        mostExecutions: most(executions),
        questions,
        unknown: unknown.slice(0, 5),
        cpuSeconds: (user + system) / 1e6,
      };
      connections.clear();
      executions.clear();
      questions = 0;
      unknown = [];
      cpu = process.cpuUsage();
      return counts;
    },
  };
}

async function standIn(task: Task): Promise<void> {
  const { answers, asked, row } = replies(task);
  const counts = counter();
  const admin = ssh2.utils.parseKey(task.adminKey);
  if (admin instanceof Error) throw admin;
  let real: Promise<Connection> | undefined;

  /** What the real host prints for these questions; kept. */
  async function ask(script: string, questions: readonly string[]): Promise<void> {
    if (!task.real || questions.length === 0) return;
    real ??= connect(task.real);
    const { stdout } = await (await real).exec(commandLine(["/bin/sh", "-s"]), {
      stdin: scriptWith(script, questions),
    });
    const rows = rowsOf(stdout.toString("latin1"), questions.length);
    for (const [index, question] of questions.entries()) {
      const row = rows[index] as string;
      answers.set(question, row);
      for (const [each, output] of answersIn(question, row)) answers.set(each, output);
    }
  }

  async function reply(n: number, command: string, script: string): Promise<{ code: number; out: string }> {
    counts.executed(n);
    const questions = questionsOf(script)?.map((question) => asked(question, n));
    if (!questions) {
      counts.unknown(command);
      return { code: 127, out: "" };
    }
    counts.asked(questions.length);
    await ask(
      script,
      questions.filter((question) => !answers.has(question)),
    );
    const rows = questions.flatMap((question) => {
      const known = answers.get(question);
      if (known === undefined) counts.unknown(question);
      return known === undefined ? [] : [row(known, n)];
    });
    if (rows.length < questions.length) return { code: 127, out: "" };
    return { code: 0, out: answerOf(rows) };
  }

  const serve = (n: number): ssh2.Server => {
    const server = new ssh2.Server({ hostKeys: [task.hostKey] });
    server.on("connection", (client) => {
      client.on("error", () => {});
      client.on("authentication", (login) => {
        const known = login.method === "publickey" && login.key.data.equals(admin.getPublicSSH());
        if (!known) return login.reject(["publickey"]);
        const { blob, signature, hashAlgo } = login;
        if (blob && signature && admin.verify(blob, signature, hashAlgo) !== true) return login.reject();
        login.accept();
      });
      client.on("session", (accept) => {
        accept().on("exec", (take, _refuse, { command }) => {
          const stream = take();
          const parts: Buffer[] = [];
          stream.on("data", (data: Buffer) => parts.push(data));
          stream.on("end", async () => {
            const { code, out } = await reply(n, command, Buffer.concat(parts).toString());
            stream.write(out);
            stream.exit(code);
            stream.end();
          });
        });
      });
    });
    return server;
  };
  const listen = async (n: number) => {
    const server = serve(n);
    // A listener of our own, since ssh2's does not turn Nagle's algorithm off: it would add 40 ms to each answer.
    const listener = net.createServer({ noDelay: true }, (socket) => {
      counts.connected(n);
      server.injectSocket(socket);
    });
    listener.listen({ host: addressOf(n), port: task.port });
    await once(listener, "listening");
  };
  for (let n = 0; n < task.hosts; n++) await listen(n);
  process.on("message", (wanted: "counts" | "answers") => {
    if (wanted === "counts") tell({ kind: "counts", counts: counts.take() });
    else tell({ kind: "answers", answers: [...answers] });
  });
  counts.take();
  tell({ kind: "ready" });
}

process.once("message", (task: Task) => void standIn(task));
process.on("disconnect", () => process.exit(0)); // who started it is gone
