/** The version of borgpull: what borgctl tells home, what the job file names, what `npm pack` packs. */
export const version = "0.1.0";
