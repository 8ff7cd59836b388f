/** What cli/borgpull runs: main.ts, with what V8 made of the program last time. That halves the time a verb takes to start. */
import * as fs from "node:fs";
import * as module from "node:module";
import { homePaths } from "../schema/paths.ts";

// In a folder of our own, never the shared one that Node would choose: what lies there runs as us.
const { state, compileCache } = homePaths();
if (fs.existsSync(state)) module.enableCompileCache(compileCache);
await import("./main.ts");
