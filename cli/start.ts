/** What cli/borgpull runs: main.ts, with what V8 made of the program last time. That halves the time a verb takes to start. */
import * as fs from "node:fs";
import * as module from "node:module";
import * as path from "node:path";
import { homePaths } from "../schema/paths.ts";

// In a folder of our own, never the shared one that Node would choose: what lies there runs as us.
const { state } = homePaths();
if (fs.existsSync(state)) module.enableCompileCache(path.join(state, "compile-cache"));
await import("./main.ts");
