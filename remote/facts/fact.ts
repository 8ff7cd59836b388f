/** One thing to know about a machine: a function of templates/remote/facts.sh with its arguments, and how to read what it prints. */
export interface Fact<T> {
  readonly call: readonly [name: string, ...args: string[]];
  readonly parse: (output: Buffer) => T;
}
