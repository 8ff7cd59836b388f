/** A value as JSON in ASCII: exact, and nothing in it acts on a terminal. */
export const asciiJson = (value: object): string =>
  JSON.stringify(value, null, 2).replace(
    /[\x7f-\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
