/** One thing that a gate found and that no run of ours does. Plain data: it is kept in the ledger as JSON. */
export type Finding =
  | { readonly kind: "archive-vanished"; readonly name: string; readonly id: string }
  | { readonly kind: "archive-appeared"; readonly name: string; readonly id: string }
  /** Objects of older archives: chunks of files, of lists of files, or archives. */
  | {
      readonly kind: "objects-deleted" | "objects-overwritten";
      readonly count: number;
      readonly examples: readonly string[];
    }
  /** So many more of a kind, which are not written down one by one. */
  | { readonly kind: "more"; readonly of: "archive-vanished" | "archive-appeared"; readonly count: number }
  /** Without it borg finds no archive at all. */
  | { readonly kind: "manifest-deleted" }
  /** The repository's config file, which holds its key. */
  | { readonly kind: "config-changed" }
  /** The log of changes is not one that borg writes. */
  | { readonly kind: "log-damaged"; readonly problem: string }
  /** borg at home cannot read the list of archives any more. */
  | { readonly kind: "unreadable"; readonly problem: string }
  /** The VPS asked borg serve for something that no backup asks for; it was not done. */
  | { readonly kind: "forbidden-request"; readonly method: string; readonly reason: string };
