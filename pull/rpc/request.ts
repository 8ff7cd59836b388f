import type { Limits, Message } from "./messages.ts";
import { type Value, Violation } from "./values.ts";

/** One call of borg's RPC: {i: message id, m: method, a: arguments by name} (borg 1.1 and later, remote.py). */
export interface Request {
  readonly id: number;
  readonly method: string;
  readonly args: ReadonlyMap<string, Value>;
}

/** MAX_DATA_SIZE of borg 1.1 to 1.4 (constants.py): the data of one object. */
export const maxDataBytes = 20_971_479;

/** borg's own server allows three times as much, and 100 values a container, at any depth. */
export const requestLimits: Limits = {
  messageBytes: maxDataBytes + 1024,
  depth: 4, // negotiate: request, arguments, client_data, version
  values: 64,
  rawBytes: 1024,
};

/**
 * Reads a message as a request. Clients up to 1.4 send their first, negotiate, in the positional form of borg before 1.1, since
 * they do not know yet whom they talk to: [1, message id, method, [client_data]]. No other request may come in that form.
 * @throws Violation for anything else
 */
export function requestOf({ value }: Message): Request {
  if (value.type === "array") return negotiateOf(value.items);
  if (value.type !== "map" || value.entries.length !== 3) throw malformed();
  const parts = byName(value);
  const args = parts.get("a");
  if (args?.type !== "map") throw malformed();
  return { id: idOf(parts.get("i")), method: methodOf(parts.get("m")), args: byName(args) };
}

function negotiateOf([type, id, method, args, ...more]: readonly Value[]): Request {
  if (type?.type !== "integer" || args?.type !== "array" || more.length > 0) throw malformed();
  const [clientData, ...others] = args.items;
  if (methodOf(method) !== "negotiate" || !clientData || others.length > 0) {
    throw new Violation("a request in the form of borg before 1.1");
  }
  return { id: idOf(id), method: "negotiate", args: new Map([["client_data", clientData]]) };
}

function idOf(value: Value | undefined): number {
  if (value?.type !== "integer" || value.value < 0n || value.value > 0xffff_ffffn) throw malformed();
  return Number(value.value);
}

function methodOf(value: Value | undefined): string {
  const name = (value?.type === "raw" && value.bytes?.toString("latin1")) || "";
  if (!/^[a-z_]{1,40}$/.test(name)) throw malformed();
  return name;
}

/** A request whose only effect is its answer, a number. */
export function harmlessRequest(id: number): Buffer {
  const message = Buffer.from("83_a169_ce00000000_a16d_a7_5f5f6c656e5f5f_a161_80".replaceAll("_", ""), "hex");
  message.writeUInt32BE(id, 4);
  return message;
}

/** A key that comes twice means whatever the reader makes of it: refused. */
function byName({ entries }: Extract<Value, { type: "map" }>): ReadonlyMap<string, Value> {
  const named = entries.map(([key, value]) => {
    if (key.type !== "raw" || !key.bytes) throw malformed();
    return [key.bytes.toString("latin1"), value] as const;
  });
  const map = new Map(named);
  if (map.size !== named.length) throw malformed();
  return map;
}

const malformed = () => new Violation("a message that is not a request as borg clients send it");
