import { borg, refused } from "./command.ts";
import { percentReader } from "./percent.ts";

/**
 * Frees the room of what was removed; needs no key. Nothing of it can be taken back afterwards.
 * @param options.onProgress told a share from 0 to 1
 * @throws UserError when borg refuses or is killed: the repository is whole then, and some room may be free
 */
export async function compactRepository(options: {
  readonly repository: string;
  readonly lockWaitSeconds: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (share: number) => void;
}): Promise<void> {
  const { repository, lockWaitSeconds, signal, onProgress } = options;
  const onLine = percentReader(({ msgid, share }) => {
    if (msgid === "repository.compact_segments") onProgress?.(share ?? 1);
  });
  const result = await borg(
    ["--log-json", "--lock-wait", String(lockWaitSeconds), "compact", "--progress", repository],
    { timeoutSeconds: 24 * 3600, writes: true, onLine, ...(signal ? { signal } : {}) },
  );
  if (result.code !== 0) throw refused("compact", repository, result);
}
