/** The stand-ins' process, from this side. */
import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Counts, Message, Task } from "./stand-in.ts";

export interface StandIns extends AsyncDisposable {
  /** What was asked of them since the last call. */
  counts(): Promise<Counts>;
  /** Every question that was asked so far, with its answer. */
  answers(): Promise<Task["answers"]>;
}

export async function openStandIns(task: Task): Promise<StandIns> {
  const child = fork(fileURLToPath(new URL("stand-in.ts", import.meta.url)), {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    execArgv: ["--disable-warning=ExperimentalWarning"],
    env: { ...process.env, NODE_OPTIONS: "" },
  });
  const ended = once(child, "exit");
  const next = async (): Promise<Message> => {
    const [message] = await Promise.race([
      once(child, "message"),
      ended.then(([code]) => Promise.reject(new Error(`the stand-ins ended with ${code}`))),
    ]);
    return message as Message;
  };
  const ask = async (wanted: "counts" | "answers"): Promise<Message> => {
    const answer = next();
    child.send(wanted);
    return answer;
  };
  const ready = next();
  child.send(task);
  await ready;
  return {
    counts: async () => {
      const message = await ask("counts");
      if (message.kind !== "counts") throw new Error(message.kind);
      return message.counts;
    },
    answers: async () => {
      const message = await ask("answers");
      if (message.kind !== "answers") throw new Error(message.kind);
      return message.answers;
    },
    [Symbol.asyncDispose]: async () => {
      child.kill();
      await ended;
    },
  };
}
