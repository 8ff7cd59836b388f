import * as path from "node:path";
import type { Item } from "../borg/contents.ts";

/** A path as archives have it, without slashes at its ends; "" is all of the archive. With or without a leading slash it is the same. */
export const insidePath = (text: string): string =>
  path.posix.normalize(`/${text}`).replace(/^\/+|\/+$/g, "");

/** Whether something is at a path or below it. */
export const isWithin = ({ path: at }: Pick<Item, "path">, inside: string): boolean =>
  inside === "" || at === inside || at.startsWith(`${inside}/`);
