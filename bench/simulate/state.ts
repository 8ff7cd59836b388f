/** The state of N hosts, made of the state of one. */
import { nameOf, type Original, substitute, wordsOf } from "./names.ts";

interface Resource {
  readonly urn: string;
  readonly type: string;
  readonly outputs?: Readonly<Record<string, unknown>>;
}

/** As `pulumi stack export` writes it. */
interface Exported {
  readonly version: number;
  readonly deployment: { readonly resources: readonly Resource[] };
}

const signatureOfMap = "jobs";

/** @returns what `pulumi stack import` takes, and how many resources it holds */
export function multiply(
  exported: string,
  original: Original,
  hosts: number,
): { readonly text: string; readonly resources: number } {
  const state = JSON.parse(exported) as Exported;
  const all = state.deployment.resources;
  const own = all.filter(({ urn }) => urn.includes(original.name));
  const shared = all.filter((resource) => !own.includes(resource));
  const text = JSON.stringify(own);
  const copies = Array.from({ length: hosts }, (_, n) =>
    n === 0 ? own : (JSON.parse(substitute(text, wordsOf(original, n))) as Resource[]),
  ).flat();
  // What all hosts have in common comes first: it depends on none of them, and they on it.
  const resources = [...shared, ...copies].map((resource) =>
    resource.type === "pulumi:pulumi:Stack" ? withOutputs(resource, original, hosts) : resource,
  );
  return {
    text: JSON.stringify({ ...state, deployment: { ...state.deployment, resources } }),
    resources: resources.filter(({ type }) => !type.startsWith("pulumi:providers:")).length,
  };
}

/** The stack's own outputs name every job. */
function withOutputs(stack: Resource, original: Original, hosts: number): Resource {
  const { [signatureOfMap]: jobs, ...rest } = stack.outputs ?? {};
  const one = JSON.stringify((jobs as Record<string, unknown>)[original.name]);
  const every = Array.from({ length: hosts }, (_, n) => [
    nameOf(n),
    JSON.parse(substitute(one, wordsOf(original, n))),
  ]);
  return { ...stack, outputs: { ...rest, [signatureOfMap]: Object.fromEntries(every) } };
}
