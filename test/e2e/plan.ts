/** What `pulumi preview --diff` plans, as a person reads it. */

/**
 * The lines with a sign, `+`, `-` or `~`, below the heading of the stack: what the plan would change, live value first. What the
 * refresh found stands above that heading, and a preview repeats it there the other way round.
 * A resource is shown by its name: `~ web1-sshd (update)`.
 */
export function planned(out: string): readonly string[] {
  const [, plan = ""] = out.split(/^ *[~ ]*pulumi:pulumi:Stack: \(same\)$/m);
  const lines = (plan.split(/^(?: {4}--outputs:--|Resources:)/m)[0] ?? "").split("\n");
  return lines.flatMap((line, index) => {
    const text = line.trim().replaceAll(/\s+/g, " ").replaceAll(" :", ":");
    if (!/^([-+~]|--|\+\+|\+-|-\+) ?\S/.test(text)) return [];
    const operation = /^(\S+) borgpull:index:\w+: (\(.+\))/.exec(text);
    if (!operation) return [text];
    const name = lines.slice(index).find((next) => next.includes("[urn=")) ?? "";
    return [`${operation[1]} ${/::([\w-]+)\]/.exec(name)?.[1] ?? "?"} ${operation[2]}`];
  });
}
