/** The last good backup of a job as home recorded it. */
export interface LastGood {
  readonly run: string;
  /** The archive's name, and its id: 64 hexadecimal digits. */
  readonly archive: string;
  readonly id: string;
  /** ISO 8601, by home's clock. */
  readonly finished: string;
  readonly files: number;
  readonly originalBytes: number;
  /** What it added to the repository. */
  readonly newBytes: number;
  readonly seconds: number;
}
