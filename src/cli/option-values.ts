/** Values of command line options: parsed, checked, refused with what is wanted. For programs that use Commander. */
import { InvalidArgumentError } from "commander";

/** A whole number of at least `least`. */
export function whole(least = 0): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`Give a whole number of at least ${least}.`);
    return value;
  };
}

/** Whole numbers between commas, none twice. */
export function wholes(text: string): readonly number[] {
  return distinct(text.split(",").map(whole()));
}

/** Some of `known`, between commas. */
export function someOf<Name extends string>(known: readonly Name[]): (text: string) => readonly Name[] {
  return (text) => {
    const names = text.split(",");
    const unknown = names.find((name) => !(known as readonly string[]).includes(name));
    if (unknown !== undefined)
      throw new InvalidArgumentError(`There is no "${unknown}". Choose from ${known.join(", ")}.`);
    return distinct(names as Name[]);
  };
}

function distinct<T>(values: readonly T[]): readonly T[] {
  if (new Set(values).size < values.length) throw new InvalidArgumentError("Name each once.");
  return values;
}
