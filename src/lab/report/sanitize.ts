/**
 * Foreign HTML and Markdown made harmless. Nothing that runs, loads or navigates survives: no script, no event handler,
 * no frame, form or link with a scheme of its own; pictures and clips only as data URLs. The page's content security
 * policy is the second wall, not the first.
 */
import MarkdownIt from "markdown-it";
import sanitizeHtml from "sanitize-html";
import { escapeHtml } from "../table.ts";
import { formula } from "./formula.ts";

const tags = [
  ..."h1 h2 h3 h4 h5 h6 p br hr div span section figure figcaption details summary".split(" "),
  ..."ul ol li dl dt dd blockquote pre code samp kbd em strong i b u s sub sup small mark abbr".split(" "),
  ..."table caption thead tbody tfoot tr th td colgroup col a img video source progress".split(" "),
];

const safeStyles = {
  color: [/^[#a-zA-Z0-9(),.%\s-]{1,64}$/],
  "background-color": [/^[#a-zA-Z0-9(),.%\s-]{1,64}$/],
  "text-align": [/^(left|right|center|justify)$/],
  "font-weight": [/^(bold|normal|\d{3})$/],
  "font-size": [/^\d+(\.\d+)?(px|em|rem|%)$/],
  "font-variant-numeric": [/^[a-z-]+$/],
  "caption-side": [/^(top|bottom)$/],
  "white-space": [/^(pre|normal|nowrap|pre-wrap)$/],
  opacity: [/^[\d.]+$/],
  width: [/^\d+(\.\d+)?(px|em|%)$/],
  "max-width": [/^\d+(\.\d+)?(px|em|%)$/],
  height: [/^(auto|\d+(\.\d+)?(px|em|%))$/],
  "image-rendering": [/^(pixelated|auto)$/],
  display: [/^(inline-block|block|inline|flex|grid)$/],
  gap: [/^[\d.]+(px|em)$/],
  margin: [/^[\d.\s]+(px|em)?[\d.\s]*(px|em)?$/],
  padding: [/^[\d.\sa-z]+$/],
  "border-left": [/^\d+px solid #[0-9a-fA-F]{3,6}$/],
  "vertical-align": [/^[a-z-]+$/],
};

/** HTML of any origin, reduced to text, tables, and pictures and clips that are part of it. */
export function safeHtml(html: string): string {
  return sanitizeHtml(html, {
    allowedTags: tags,
    allowedAttributes: {
      "*": ["style", "title", "class", "lang", "dir"],
      a: ["href"],
      img: ["src", "alt", "width", "height"],
      video: ["src", "poster", "width", "height", "controls", "loop", "muted", "autoplay", "playsinline"],
      source: ["src", "type"],
      th: ["colspan", "rowspan", "scope"],
      td: ["colspan", "rowspan"],
      progress: ["value", "max"],
      details: ["open"],
    },
    allowedStyles: { "*": safeStyles },
    allowedSchemes: ["https", "http", "mailto"],
    allowedSchemesByTag: { img: ["data"], video: ["data"], source: ["data"] },
    allowedSchemesAppliedToAttributes: ["href", "src", "poster"],
    allowProtocolRelative: false,
    disallowedTagsMode: "discard",
    exclusiveFilter: (frame) =>
      ["img", "video", "source"].includes(frame.tag) && !isMedia(frame.attribs["src"]),
    transformTags: {
      a: (tag, attributes) => ({ tagName: tag, attribs: { ...attributes, rel: "noreferrer" } }),
      // Headings of foreign HTML must not become the page's outline.
      h1: "h3",
      h2: "h4",
    },
  });
}

const isMedia = (source: string | undefined) =>
  source === undefined ||
  /^data:(image\/(png|apng|jpeg|gif|webp|svg\+xml)|video\/(webm|mp4))[;,]/.test(source);

const markdown = new MarkdownIt({ html: false, linkify: false, typographer: false });

/** Code first, so that a dollar in code stays one; then formulas on lines of their own; then those in a line. */
const codeOrFormula = new RegExp(
  [
    /(```[\s\S]*?(?:```|$)|~~~[\s\S]*?(?:~~~|$)|`[^`\n]*`)/.source,
    /\$\$([\s\S]+?)\$\$/.source,
    /(?<![\\$\w])\$([^$\n]{1,200}?[^\s\\$]|[^\s\\$])\$(?![\w$])/.source,
  ].join("|"),
  "g",
);

/**
 * Formulas are set aside before Markdown sees them, so that its underscores and stars stay TeX, and come back as MathML
 * where they stand in text. Inside a tag (the alternative text of a picture) they come back as plain TeX.
 */
function withFormulas(text: string, render: (text: string) => string): string {
  const formulas: { readonly tex: string; readonly isBlock: boolean }[] = [];
  const marked = text.replaceAll(codeOrFormula, (whole, code?: string, block?: string, inline?: string) => {
    if (code !== undefined) return whole;
    formulas.push({ tex: (block ?? inline ?? "").trim(), isBlock: block !== undefined });
    return `\uE000${formulas.length - 1}\uE001`;
  });
  const slot = /\uE000(\d+)\uE001/g;
  return render(marked).replaceAll(
    /(<[^>]*>)|\uE000(\d+)\uE001/g,
    (_, tag: string | undefined, index: string) => {
      if (tag !== undefined)
        return tag.replaceAll(slot, (_, at: string) => escapeHtml(formulas[Number(at)]?.tex ?? ""));
      const found = formulas[Number(index)];
      return found ? formula(found.tex, found.isBlock) : "";
    },
  );
}

/** Markdown as HTML: raw HTML in it stays text, then the result passes through `safeHtml` like any other. */
export function safeMarkdown(text: string, options: { keepsHeadings?: boolean } = {}): string {
  // Formulas come back after everything else was sanitised; they are sanitised by themselves, to MathML alone.
  return withFormulas(text.replaceAll(/[\uE000\uE001]/g, ""), (plain) => {
    const html = markdown.render(plain);
    return options.keepsHeadings ? keepHeadings(html) : safeHtml(html);
  });
}

function keepHeadings(html: string): string {
  const shifted = html.replaceAll(
    /<(\/?)h([12])>/g,
    (_, slash: string, level: string) => `<${slash}h${Number(level) + 4}>`,
  );
  return safeHtml(shifted).replaceAll(
    /<(\/?)h([56])>/g,
    (_, slash: string, level: string) => `<${slash}h${Number(level) - 4}>`,
  );
}
