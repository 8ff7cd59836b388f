import { publicKey } from "../schema/names.ts";

/** "type base64 [comment]" -> "type base64", or undefined when the base64 does not hold a key of that type. */
export function publicKeyOf(text: string): string | undefined {
  const [type = "", base64 = ""] = text.trim().split(/\s+/);
  const key = `${type} ${base64}`;
  if (!publicKey.safeParse(key).success) return undefined;
  // RFC 4253 6.6: a key's blob begins with its type as a string with its length before it
  const blob = Buffer.from(base64, "base64");
  const named = blob.length > 4 ? blob.subarray(4, 4 + blob.readUInt32BE(0)).toString("latin1") : "";
  return named === type && blob.length > 4 + type.length + 4 ? key : undefined;
}
