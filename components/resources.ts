/** The resource kinds as the engine knows them: inputs as in schema/inputs.ts, outputs as the provider adds them. No logic. */
import * as pulumi from "@pulumi/pulumi";
import type {
  AuditInputs,
  AuthorizedKeyInputs,
  HomeInputs,
  HostFileInputs,
  HostUserInputs,
  PreflightInputs,
  ProgramInputs,
  PullInputs,
  RepositoryInputs,
  SshdDropInInputs,
  SshIdentityInputs,
  SystemdUnitInputs,
} from "../schema/inputs.ts";
import type { LastGood } from "../schema/last-good.ts";

/** Each property, at any depth, a value or one that is known later. */
export type Args<T> = { readonly [Key in keyof T]: Later<T[Key]> };
type Later<T> =
  | pulumi.Input<[NonNullable<T>] extends [Group] ? Args<NonNullable<T>> : T>
  | Extract<T, undefined>;
type Group = Readonly<Record<string, unknown>>;
type Options = pulumi.CustomResourceOptions;

/** The machine and user of the first `up`; everything local belongs to them. */
export class Home extends pulumi.CustomResource {
  /** `<machine id>/<uid>`. */
  declare readonly home: pulumi.Output<string>;
  declare readonly hostname: pulumi.Output<string>;
  /** The folder of job files, keys and passphrases. */
  declare readonly config: pulumi.Output<string>;
  declare readonly user: pulumi.Output<string>;
  declare readonly group: pulumi.Output<string>;
  /** The folder of records, locks and the installed program. */
  declare readonly state: pulumi.Output<string>;
  /** Whose systemd runs the timers; "none" where none runs. */
  declare readonly manager: pulumi.Output<"system" | "user" | "none">;
  /** How home logs in as administrator where a host names no identity: "agent" or the path of a private key. */
  declare readonly identity: pulumi.Output<string>;
  /** The variables by which a timer finds config and state. */
  declare readonly placement: pulumi.Output<Readonly<Record<string, string>>>;
  constructor(name: string, args: Args<HomeInputs>, options?: Options) {
    const outputs = {
      home: undefined,
      hostname: undefined,
      config: undefined,
      state: undefined,
      user: undefined,
      group: undefined,
      manager: undefined,
      identity: undefined,
      placement: undefined,
    };
    super("borgpull:index:Home", name, { ...args, ...outputs }, options);
    this.#declareProgram = () =>
      new Program(`${name}-program`, { home: this.home, owner: args.owner }, { parent: this });
  }

  readonly #declareProgram: () => Program;
  #program: Program | undefined;
  /** The program that its timers run: installed as soon as something asks for it. */
  get program(): Program {
    this.#program ??= this.#declareProgram();
    return this.#program;
  }
}

/** A copy of the program at home, which its units run. */
export class Program extends pulumi.CustomResource {
  /** Such as "0.1.0-5f3c9a0b12de". */
  declare readonly installed: pulumi.Output<string>;
  /** The link to it, through which the units start it. */
  declare readonly current: pulumi.Output<string>;
  constructor(name: string, args: Args<ProgramInputs>, options?: Options) {
    super("borgpull:index:Program", name, { ...args, installed: undefined, current: undefined }, options);
  }
}

/** What a VPS must have before anything is written to it. */
export class Preflight extends pulumi.CustomResource {
  declare readonly os: pulumi.Output<string>;
  declare readonly openssh: pulumi.Output<string>;
  declare readonly borg: pulumi.Output<string>;
  /** "nc" or "python3". */
  declare readonly relay: pulumi.Output<string>;
  /** What stands in the way, a sentence each. */
  declare readonly missing: pulumi.Output<readonly string[]>;
  constructor(name: string, args: Args<PreflightInputs>, options?: Options) {
    const outputs = {
      os: undefined,
      openssh: undefined,
      borg: undefined,
      relay: undefined,
      missing: undefined,
    };
    super("borgpull:index:Preflight", name, { ...args, ...outputs }, options);
  }
}

/** The system account of an instance. */
export class HostUser extends pulumi.CustomResource {
  constructor(name: string, args: Args<HostUserInputs>, options?: Options) {
    super("borgpull:index:HostUser", name, { ...args }, options);
  }
}

/** One whole file, on a VPS or at home. */
export class HostFile extends pulumi.CustomResource {
  constructor(name: string, args: Args<HostFileInputs>, options?: Options) {
    super("borgpull:index:HostFile", name, { ...args }, options);
  }
}

/** A drop-in of sshd_config that is in force. */
export class SshdDropIn extends pulumi.CustomResource {
  constructor(name: string, args: Args<SshdDropInInputs>, options?: Options) {
    super("borgpull:index:SshdDropIn", name, { ...args }, options);
  }
}

/** One line of an authorized_keys file. */
export class AuthorizedKey extends pulumi.CustomResource {
  /** The whole line. */
  declare readonly line: pulumi.Output<string>;
  constructor(name: string, args: Args<AuthorizedKeyInputs>, options?: Options) {
    super("borgpull:index:AuthorizedKey", name, { ...args, line: undefined }, options);
  }
}

/** A unit of systemd, at home or on a VPS. */
export class SystemdUnit extends pulumi.CustomResource {
  constructor(name: string, args: Args<SystemdUnitInputs>, options?: Options) {
    super("borgpull:index:SystemdUnit", name, { ...args }, options);
  }
}

/** A job's pull key, made at home. */
export class SshIdentity extends pulumi.CustomResource {
  /** Type and base64. */
  declare readonly publicKey: pulumi.Output<string>;
  /** "SHA256:..." */
  declare readonly fingerprint: pulumi.Output<string>;
  constructor(name: string, args: Args<SshIdentityInputs>, options?: Options) {
    super(
      "borgpull:index:SshIdentity",
      name,
      { ...args, publicKey: undefined, fingerprint: undefined },
      options,
    );
  }
}

/** A borg repository at home; never deleted. */
export class Repository extends pulumi.CustomResource {
  declare readonly repositoryId: pulumi.Output<string>;
  constructor(name: string, args: Args<RepositoryInputs>, options?: Options) {
    super("borgpull:index:Repository", name, { ...args, repositoryId: undefined }, options);
  }
}

/** That a pull key can do its job and nothing else. */
export class Audit extends pulumi.CustomResource {
  /** How many things were tried. */
  declare readonly attempts: pulumi.Output<number>;
  /** What did not go as it must, a sentence each. */
  declare readonly failed: pulumi.Output<readonly string[]>;
  constructor(name: string, args: Args<AuditInputs>, options?: Options) {
    super("borgpull:index:Audit", name, { ...args, attempts: undefined, failed: undefined }, options);
  }
}

/** That a good backup exists. */
export class Pull extends pulumi.CustomResource {
  /** null before the first one. */
  declare readonly lastGood: pulumi.Output<LastGood | null>;
  constructor(name: string, args: Args<PullInputs>, options?: Options) {
    super("borgpull:index:Pull", name, { ...args, lastGood: undefined }, options);
  }
}
