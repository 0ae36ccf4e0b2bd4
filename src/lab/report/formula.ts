/** TeX to MathML, which browsers draw themselves: no fonts, no script, and it prints. What temml cannot read stays text. */
import sanitizeHtml from "sanitize-html";
import temml from "temml";
import { escapeHtml } from "../table.ts";

const tags = [
  ..."math mrow mi mn mo ms mtext mspace msub msup msubsup munder mover munderover mmultiscripts mprescripts".split(
    " ",
  ),
  ..."mfrac msqrt mroot mtable mtr mtd mpadded mphantom mstyle menclose".split(" "),
];

/** @param isBlock a line of its own */
export function formula(tex: string, isBlock: boolean): string {
  try {
    const mathml = temml.renderToString(tex, {
      displayMode: isBlock,
      throwOnError: true,
      trust: false,
      maxExpand: 500,
    });
    return sanitizeHtml(mathml, {
      allowedTags: tags,
      allowedAttributes: {
        "*": "display class fence form stretchy separator lspace rspace width height depth voffset mathvariant displaystyle scriptlevel accent accentunder linethickness columnalign rowspacing columnspacing movablelimits largeop symmetric minsize maxsize notation dir".split(
          " ",
        ),
      },
    });
  } catch {
    const text = escapeHtml(tex);
    return isBlock ? `<code class="tex block">${text}</code>` : `<code class="tex">${text}</code>`;
  }
}
