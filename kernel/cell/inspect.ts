/** What is known of the name at a cursor: its type, its documentation, and on demand where it is declared. */
import type TS from "typescript";
import type { TypeService } from "./type-service.ts";
import ts from "./typescript.ts";

interface Known {
  readonly title: string;
  readonly documentation: string;
  readonly tags: readonly TS.JSDocTagInfo[];
}

const tagText = ({ name, text }: TS.JSDocTagInfo): string =>
  `@${name} ${ts.displayPartsToString(text)}`.trim();

/** In the arguments of a call: the function that is called. */
function signatureAt(service: TS.LanguageService, file: string, position: number): Known | null {
  const help = service.getSignatureHelpItems(file, position, undefined);
  const item = help?.items[help.selectedItemIndex];
  if (item === undefined) return null;
  const parts = [
    ...item.prefixDisplayParts,
    ...item.parameters.flatMap((parameter, at) =>
      at === 0 ? parameter.displayParts : [...item.separatorDisplayParts, ...parameter.displayParts],
    ),
    ...item.suffixDisplayParts,
  ];
  return {
    title: ts.displayPartsToString(parts),
    documentation: ts.displayPartsToString(item.documentation),
    tags: item.tags,
  };
}

function quickInfoAt(service: TS.LanguageService, file: string, position: number): Known | null {
  const info = service.getQuickInfoAtPosition(file, position);
  // A name that nothing declares is "any" to the service.
  if (info === undefined || info.kind === ts.ScriptElementKind.unknown) return null;
  return {
    title: ts
      .displayPartsToString(info.displayParts)
      // How a name of an earlier cell came here is the service's own affair.
      .replace(/^\(alias\) /, "")
      .replace(/\nimport [^\n]*$/, ""),
    documentation: ts.displayPartsToString(info.documentation),
    tags: info.tags ?? [],
  };
}

/** Text of the declaration, for `detail_level` 1 (`name??` in a console). */
function declarationAt(service: TS.LanguageService, file: string, position: number): string {
  const [definition] = service.getDefinitionAtPosition(file, position) ?? [];
  const span = definition?.contextSpan;
  const source = definition && service.getProgram()?.getSourceFile(definition.fileName);
  return span === undefined || source === undefined
    ? ""
    : source.text.slice(span.start, span.start + Math.min(span.length, 4000));
}

/** A bundle of `text/plain` and `text/markdown`, or null where nothing is known. */
export function inspect(
  types: TypeService,
  code: string,
  offset: number,
  detail: number,
): Record<string, string> | null {
  const { service, file, shift } = types.open(code);
  // A cursor behind a name means the name.
  const places = [offset, offset - 1].filter((at) => at >= 0 && at < code.length).map((at) => shift + at);
  const position = places.find((at) => quickInfoAt(service, file, at) !== null);
  const known =
    position === undefined
      ? signatureAt(service, file, shift + offset)
      : quickInfoAt(service, file, position);
  if (known === null) return null;
  const source = detail > 0 && position !== undefined ? declarationAt(service, file, position) : "";
  const tags = known.tags.map(tagText);
  const sections = [known.title, known.documentation, tags.join("\n"), source].filter((text) => text !== "");
  const markdown = [
    `\`\`\`typescript\n${known.title}\n\`\`\``,
    known.documentation,
    tags.map((tag) => `- ${tag}`).join("\n"),
    source === "" ? "" : `\`\`\`typescript\n${source}\n\`\`\``,
  ].filter((text) => text !== "");
  return { "text/plain": sections.join("\n\n"), "text/markdown": markdown.join("\n\n") };
}
