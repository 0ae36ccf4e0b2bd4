/**
 * The language of the procedural world: a fixed vocabulary, the sentences of each scene, and a parser that turns a
 * sentence back into what it demands of a clip. Generation goes prompt -> demands -> clip, so the text and the
 * pixels can never disagree.
 *
 *   sentence   = clause ["," background "background"]
 *   clause     = object motion ["and" object motion] | object relation object | object "hits" object
 *              | object "passes behind a wall" | colour "water pours into a glass" [speed]
 *   object     = "a" ["hollow"] colour shape
 *   motion     = "stays still" | "glides" axis | "bounces on the floor" | "moves" direction [speed]
 */

export const colours = ["red", "green", "blue", "yellow", "magenta", "cyan"] as const;
export const shapes = ["ball", "square", "triangle"] as const;
export const axes = ["sideways", "vertically", "diagonally"] as const;
export const directions = ["left", "right", "up", "down"] as const;
export const speeds = ["slowly", "quickly"] as const;
export const relations = ["left of", "right of", "above", "below"] as const;
export const backgrounds = ["plain", "striped"] as const;
export const scenes = [
  "still",
  "glide",
  "bounce",
  "move",
  "pair",
  "relation",
  "collide",
  "occlude",
  "pour",
  "style",
] as const;

export type Colour = (typeof colours)[number];
export type Shape = (typeof shapes)[number];
export type Axis = (typeof axes)[number];
export type Direction = (typeof directions)[number];
export type Speed = (typeof speeds)[number];
export type Relation = (typeof relations)[number];
export type Background = (typeof backgrounds)[number];
export type Scene = (typeof scenes)[number];
/** "hit" and "struck" are the two parts of a collision, "pass" goes behind the wall. */
export type Motion = "still" | Axis | "bounce" | Direction | "hit" | "struck" | "pass";

/** What a prompt demands of one object; what it leaves open is absent. */
export interface ObjectDemand {
  readonly colour: Colour;
  readonly shape: Shape;
  readonly hollow: boolean;
  readonly motion?: Motion;
  readonly speed?: Speed;
}

/** What a prompt demands of a clip. */
export interface PromptDemand {
  readonly scene: Scene;
  readonly objects: readonly ObjectDemand[];
  /** Between objects 0 and 1. */
  readonly relation?: Relation;
  readonly background?: Background;
  readonly wall: boolean;
  /** The liquid that rises in the glass. */
  readonly water?: { readonly colour: Colour; readonly speed?: Speed };
}

/** Token ids are positions in this list; 0 is padding and the empty prompt, 1 an unknown word. Append only. */
export const vocabulary: readonly string[] = Object.freeze([
  "",
  "?",
  "a",
  ...colours,
  ...shapes,
  "stays",
  "still",
  "glides",
  ...axes,
  "bounces",
  "on",
  "the",
  "floor",
  "moves",
  ...directions,
  ...speeds,
  "and",
  "of",
  "above",
  "below",
  "hits",
  "passes",
  "behind",
  "wall",
  "water",
  "pours",
  "into",
  "glass",
  "hollow",
  ...backgrounds,
  "background",
]);

/** The longest sentence of the grammar has 13 words; a power of two keeps kernels happy. */
export const maxPromptTokens = 16;

const wordIds: ReadonlyMap<string, number> = new Map(vocabulary.map((word, id) => [word, id]));
const synonyms: ReadonlyMap<string, string> = new Map([
  ["circle", "ball"],
  ["disc", "ball"],
  ["box", "square"],
  ["an", "a"],
  ["purple", "magenta"],
  ["horizontally", "sideways"],
  ["fast", "quickly"],
  ["slow", "slowly"],
  ["outlined", "hollow"],
]);

function words(prompt: string): string[] {
  const text = prompt.toLowerCase().replaceAll("up and down", "vertically");
  return (text.match(/[a-z]+/g) ?? []).map((word) => synonyms.get(word) ?? word);
}

export interface TokenizeOptions {
  /** Called with one sentence when words are not in the vocabulary. */
  readonly warn?: (message: string) => void;
}

/** A prompt in a message: a huge one shows its beginning. */
export function quoted(prompt: string): string {
  return prompt.length <= 200 ? `"${prompt}"` : `"${prompt.slice(0, 180)}..." (${prompt.length} characters)`;
}

/** The first words of a list that may be huge. */
function firstOf(words: readonly string[]): string {
  return words.length <= 20
    ? words.join(", ")
    : `${words.slice(0, 20).join(", ")} and ${words.length - 20} more`;
}

const toProcess = (message: string): void => process.emitWarning(message, "PromptWarning");

/**
 * Token ids of a prompt, one a word, synonyms folded; at most `maxPromptTokens`. "" gives [].
 * Unknown words become id 1 and are reported with the words that are known.
 */
export function tokenize(prompt: string, { warn = toProcess }: TokenizeOptions = {}): number[] {
  const found = words(prompt);
  const unknown = [...new Set(found.filter((word) => !wordIds.has(word)))];
  if (unknown.length > 0) {
    warn(
      `Prompt ${quoted(prompt)} has words outside the world's vocabulary: ${firstOf(unknown)}. ` +
        `Known words: ${vocabulary.slice(2).join(" ")}.`,
    );
  }
  if (found.length > maxPromptTokens) {
    warn(`Prompt ${quoted(prompt)} has ${found.length} words; only the first ${maxPromptTokens} are read.`);
  }
  return found.slice(0, maxPromptTokens).map((word) => wordIds.get(word) ?? 1);
}

const colour = colours.join("|");
const shape = shapes.join("|");
const objectText = `(?:a )?(hollow )?(${colour}) (hollow )?(${shape})`;
const speedText = `(?: (${speeds.join("|")}))?`;
const motionText =
  `(?: (?:(stays still)|glides (${axes.join("|")})|(bounces)(?: on the floor)?|` +
  `moves (${directions.join("|")}))${speedText})?`;
const whole = (pattern: string) => new RegExp(`^${pattern}$`);
const singlePattern = whole(objectText + motionText);
const pairPattern = whole(`${objectText + motionText} and ${objectText + motionText}`);
const relationPattern = whole(`${objectText} (?:to the )?(${relations.join("|")}) ${objectText}`);
const hitPattern = whole(`${objectText} hits ${objectText}`);
const passPattern = whole(`${objectText} passes behind a wall`);
const pourPattern = whole(`(${colour}) water pours into (?:a|the) glass${speedText}`);
const backgroundPattern = new RegExp(`(?: on)?(?: a)? (${backgrounds.join("|")}) background$`);

type Groups = readonly (string | undefined)[];

function readObject(groups: Groups, at: number): ObjectDemand {
  return {
    colour: groups[at + 1] as Colour,
    shape: groups[at + 3] as Shape,
    hollow: groups[at] !== undefined || groups[at + 2] !== undefined,
  };
}

function readMotion(groups: Groups, at: number): { motion?: Motion; speed?: Speed } {
  const motion = groups[at] ? "still" : (groups[at + 1] ?? (groups[at + 2] ? "bounce" : groups[at + 3]));
  const speed = groups[at + 4] as Speed | undefined;
  return { ...(motion ? { motion: motion as Motion } : {}), ...(speed ? { speed } : {}) };
}

function sceneOf(object: ObjectDemand, background: Background | undefined): Scene {
  if (object.hollow || background) return "style";
  if (object.motion === "still") return "still";
  if (object.motion === "bounce") return "bounce";
  if (object.motion && (directions as readonly string[]).includes(object.motion)) return "move";
  return "glide";
}

function demands(text: string, background: Background | undefined): PromptDemand | undefined {
  const extra = background ? { background } : {};
  const single = singlePattern.exec(text);
  if (single) {
    const object = { ...readObject(single, 1), ...readMotion(single, 5) };
    return { scene: sceneOf(object, background), objects: [object], wall: false, ...extra };
  }
  const pair = pairPattern.exec(text);
  if (pair) {
    const first = { ...readObject(pair, 1), ...readMotion(pair, 5) };
    const second = { ...readObject(pair, 10), ...readMotion(pair, 14) };
    return { scene: "pair", objects: [first, second], wall: false, ...extra };
  }
  const related = relationPattern.exec(text);
  if (related) {
    const still = { motion: "still" } as const;
    const objects = [
      { ...readObject(related, 1), ...still },
      { ...readObject(related, 6), ...still },
    ];
    return { scene: "relation", objects, relation: related[5] as Relation, wall: false, ...extra };
  }
  const hit = hitPattern.exec(text);
  if (hit) {
    const objects = [
      { ...readObject(hit, 1), motion: "hit" as const },
      { ...readObject(hit, 5), motion: "struck" as const },
    ];
    return { scene: "collide", objects, wall: false, ...extra };
  }
  const pass = passPattern.exec(text);
  if (pass) {
    const objects = [{ ...readObject(pass, 1), motion: "pass" as const }];
    return { scene: "occlude", objects, wall: true, ...extra };
  }
  const pour = pourPattern.exec(text);
  if (pour) {
    const speed = pour[2] as Speed | undefined;
    const water = { colour: pour[1] as Colour, ...(speed ? { speed } : {}) };
    return { scene: "pour", objects: [], water, wall: false, ...extra };
  }
  return undefined;
}

/**
 * What a prompt demands. A motion left out ("a red ball") leaves the motion open.
 * @throws RangeError when the sentence is not in the grammar; the message shows one sentence per scene.
 */
export function parsePrompt(prompt: string): PromptDemand {
  const text = words(prompt).join(" ");
  const background = backgroundPattern.exec(text);
  const clause = background ? text.slice(0, background.index) : text;
  const demand = demands(clause, background?.[1] as Background | undefined);
  if (!demand) {
    const examples = scenes.map((scene) => `"${promptsOf([scene])[0]}"`).join(", ");
    throw new RangeError(
      `Cannot read the prompt ${quoted(prompt)} as a sentence of the world's grammar. Write one like ${examples}.`,
    );
  }
  return demand;
}

const single = (c: string, s: string) => `a ${c} ${s}`;
const everySingle = (tail: (object: string) => string[]): string[] =>
  colours.flatMap((c) => shapes.flatMap((s) => tail(single(c, s))));
/** Two objects of one clip never share a colour, so that each can be told from the other. */
const everyPair = (tail: (a: string, b: string) => string[]): string[] =>
  colours.flatMap((c) =>
    shapes.flatMap((s) =>
      colours.filter((d) => d !== c).flatMap((d) => shapes.flatMap((u) => tail(single(c, s), single(d, u)))),
    ),
  );

const simpleMotions = ["stays still", ...axes.map((axis) => `glides ${axis}`), "bounces on the floor"];
const pairMotions = ["stays still", "glides sideways", "glides vertically", "bounces on the floor"];

const sentences: { readonly [S in Scene]: () => string[] } = {
  still: () => everySingle((o) => [`${o} stays still`]),
  glide: () => everySingle((o) => axes.map((axis) => `${o} glides ${axis}`)),
  bounce: () => everySingle((o) => [`${o} bounces on the floor`]),
  move: () =>
    everySingle((o) =>
      directions.flatMap((d) => ["", ...speeds.map((s) => ` ${s}`)].map((s) => `${o} moves ${d}${s}`)),
    ),
  pair: () =>
    everyPair((a, b) => pairMotions.flatMap((m) => pairMotions.map((n) => `${a} ${m} and ${b} ${n}`))),
  relation: () => everyPair((a, b) => relations.map((relation) => `${a} ${relation} ${b}`)),
  collide: () => everyPair((a, b) => [`${a} hits ${b}`]),
  occlude: () => everySingle((o) => [`${o} passes behind a wall`]),
  pour: () =>
    colours.flatMap((c) =>
      ["", ...speeds.map((s) => ` ${s}`)].map((s) => `${c} water pours into a glass${s}`),
    ),
  style: () =>
    everySingle((o) =>
      simpleMotions.flatMap((m) => [
        `${o.replace("a ", "a hollow ")} ${m}`,
        ...backgrounds.map((b) => `${o} ${m}, ${b} background`),
      ]),
    ),
};

const listed = new Map<Scene, readonly string[]>();

/** Every prompt of the given scenes, in a fixed order: 18 still, 54 glide, 18 bounce, 216 move, ... */
export function promptsOf(chosen: readonly Scene[] = scenes): readonly string[] {
  return chosen.flatMap((scene) => {
    const make = sentences[scene];
    if (!make) {
      throw new RangeError(`Cannot list prompts of the scene "${scene}". Scenes: ${scenes.join(", ")}.`);
    }
    const list = listed.get(scene) ?? Object.freeze(make());
    listed.set(scene, list);
    return list;
  });
}
