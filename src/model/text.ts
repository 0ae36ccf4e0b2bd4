/**
 * Prompts as tokens. A text encoder is anything that turns a prompt into [L, dim] features: a frozen language model
 * (umT5 for Wan) or, for small vocabularies, one-hot words beside one-hot positions, whose embedding is then the model's
 * own first text layer. As in Wan, short prompts are padded with zeros and no mask hides the padding.
 */
import { type Tensor, tf } from "../tensor/tf.ts";
import { maxPromptTokens, quoted, tokenize, vocabulary as worldVocabulary } from "../video/world/grammar.ts";

export interface TextEncoder {
  readonly name: string;
  /** Features per token. */
  readonly dim: number;
  /** Tokens per prompt, padding included. */
  readonly length: number;
  /** What a checkpoint stores, so that `textEncoderFrom` can rebuild it. */
  readonly config: TextEncoderConfig;
  /** [B, length, dim]; the empty prompt is all zeros. */
  encode(prompts: readonly string[]): Tensor;
}

export type TextEncoderConfig =
  /** The world's grammar; `words` is the size of its (append-only) vocabulary when the model was made. */
  | { readonly kind: "world"; readonly words: number; readonly length: number }
  | { readonly kind: "words"; readonly vocabulary: readonly string[]; readonly length: number };

type Warn = (message: string) => void;

/** One-hot word beside one-hot position; dim = words + length. */
function oneHotEncoder(
  name: string,
  words: number,
  config: TextEncoderConfig,
  idsOf: (prompt: string) => readonly number[],
): TextEncoder {
  const { length } = config;
  const dim = words + length;
  return Object.freeze({
    name,
    dim,
    length,
    config: Object.freeze(config),
    encode(prompts: readonly string[]) {
      const tokens = new Float32Array(prompts.length * length * dim);
      for (const [row, prompt] of prompts.entries()) {
        for (const [position, id] of idsOf(prompt).slice(0, length).entries()) {
          const at = (row * length + position) * dim;
          tokens[at + id] = 1;
          tokens[at + words + position] = 1;
        }
      }
      return tf.tensor3d(tokens, [prompts.length, length, dim]);
    },
  });
}

/** Prompts of the procedural world; words outside its grammar are reported with the known ones. */
export function worldText({
  words = worldVocabulary.length,
  warn,
}: {
  words?: number;
  warn?: Warn;
} = {}): TextEncoder {
  return oneHotEncoder(
    `world(${words})`,
    words,
    { kind: "world", words, length: maxPromptTokens },
    (prompt) =>
      // Words that joined the grammar after the model was made are unknown (id 1) to it.
      tokenize(prompt, warn ? { warn } : {}).map((id) => (id < words ? id : 1)),
  );
}

/**
 * Captions over any vocabulary, e.g. the words of a folder's sidecar file.
 * Words outside it are left out, each with one warning that names the known ones.
 */
export function wordEncoder(
  vocabulary: readonly string[],
  {
    length = 16,
    warn = (message: string) => process.emitWarning(message, "PromptWarning"),
  }: { readonly length?: number; readonly warn?: Warn } = {},
): TextEncoder {
  const known = [...new Set(vocabulary.map((word) => word.toLowerCase()))].sort();
  if (known.length === 0) {
    throw new RangeError(
      "Cannot encode prompts as the vocabulary is empty: got no words. Give the words of the prompts that the model is trained on.",
    );
  }
  const ids = new Map(known.map((word, i) => [word, i]));
  const warned = new Set<string>();
  const warnOnce = (key: string, message: string) => {
    if (!warned.has(key)) warn(message);
    warned.add(key);
  };
  const config = { kind: "words", vocabulary: known, length } as const;
  return oneHotEncoder(`words(${known.length})`, known.length, config, (prompt) => {
    const words = prompt.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
    if (words.length > length)
      warnOnce(
        prompt,
        `Prompt ${quoted(prompt)} has ${words.length} words; only the first ${length} are read.`,
      );
    return words.flatMap((word) => {
      const id = ids.get(word);
      if (id !== undefined) return [id];
      warnOnce(
        word,
        `Word "${word}" is not in the model's vocabulary and is ignored. Known words: ${known.join(" ")}.`,
      );
      return [];
    });
  });
}

/** The encoder that a checkpoint's config describes. */
export function textEncoderFrom(config: TextEncoderConfig): TextEncoder {
  return config.kind === "world"
    ? worldText({ words: config.words })
    : wordEncoder(config.vocabulary, { length: config.length });
}
