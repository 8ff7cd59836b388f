/** A program run against Pulumi's mocks: what it declares, in order, and which resource waits for which. */
import * as pulumi from "@pulumi/pulumi";

export interface Declared {
  /** Without "borgpull:index:" where it is ours. */
  readonly type: string;
  readonly name: string;
  /** Name of the parent; "" at the top. */
  readonly parent: string;
  // biome-ignore lint/suspicious/noExplicitAny: asserted on field by field
  readonly inputs: any;
  /** Names of the resources that it waits for. */
  readonly after: readonly string[];
}

/** What the provider adds to each kind. */
const outputs: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  "borgpull:index:Home": {
    home: "machine/0",
    hostname: "home",
    config: "/etc/borgpull",
    state: "/var/lib/borgpull",
    user: "root",
    group: "root",
    manager: "system",
    identity: "agent",
    placement: { BORGPULL_CONFIG: "/etc/borgpull" },
  },
  "borgpull:index:Program": {
    installed: "0.1.0-000000000000",
    current: "/var/lib/borgpull/versions/current-borgpull+test",
  },
  "borgpull:index:SshIdentity": { publicKey: "ssh-ed25519 AAAAKEYx", fingerprint: "SHA256:x" },
  "borgpull:index:Repository": { repositoryId: "00" },
  "borgpull:index:Audit": { attempts: 59, failed: [] },
  "borgpull:index:Pull": { lastGood: null },
};

/** The part of a RegisterResourceRequest that mocks do not show. */
interface Request {
  getType(): string;
  getName(): string;
  getParent(): string;
  getObject(): { toJavaScript(): object };
  getDependenciesList(): string[];
}

export interface Options {
  /** As in a first preview: what is not made yet has no outputs. */
  readonly preview?: boolean;
  /** The stack's config, `borgpull:` and all. */
  readonly config?: Readonly<Record<string, string>>;
}

/** Runs `program` and waits for all that it registers. Throws what the program throws. */
export async function declare<T>(
  program: () => T | Promise<T>,
  { preview = false, config = {} }: Options = {},
): Promise<{ readonly declared: readonly Declared[]; readonly result: T }> {
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }) => ({
        id: `${name}-id`,
        state: { ...inputs, ...(preview ? {} : outputs[type]) },
      }),
      call: ({ inputs }) => inputs,
    },
    "borgpull",
    "test",
    preview,
  );
  pulumi.runtime.setAllConfig({ ...config });
  const declared = recordRequests();
  try {
    return { declared, result: await program() };
  } finally {
    await pulumi.runtime.disconnect();
  }
}

const lastPart = (urn: string): string => urn.split("::").at(-1) ?? "";

function recordRequests(): readonly Declared[] {
  const declared: Declared[] = [];
  const monitor = pulumi.runtime.getMonitor() as unknown as {
    registerResource(request: Request, ...rest: readonly unknown[]): unknown;
  };
  const register = monitor.registerResource.bind(monitor);
  monitor.registerResource = (request, ...rest) => {
    declared.push({
      type: request.getType().replace("borgpull:index:", ""),
      name: request.getName(),
      parent: lastPart(request.getParent()),
      inputs: request.getObject().toJavaScript(),
      after: request.getDependenciesList().map(lastPart).toSorted(),
    });
    return register(request, ...rest);
  };
  return declared;
}

/** The one resource of a name and kind. */
export function one(declared: readonly Declared[], name: string, type?: string): Declared {
  const found = declared.filter((each) => each.name === name && (type === undefined || each.type === type));
  if (found.length !== 1 || found[0] === undefined)
    throw new Error(`${found.length} of ${name}; there are ${declared.map((each) => each.name).join(", ")}`);
  return found[0];
}

/** Everything that must be there before a resource, at any remove; what is destroyed after it. */
export function before(declared: readonly Declared[], name: string): ReadonlySet<string> {
  const seen = new Set<string>();
  const visit = (each: string) => {
    for (const next of declared.find(({ name: found }) => found === each)?.after ?? []) {
      if (seen.has(next)) continue;
      seen.add(next);
      visit(next);
    }
  };
  visit(name);
  return seen;
}
