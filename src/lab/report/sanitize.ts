/**
 * Foreign HTML and Markdown made harmless. Nothing that runs, loads or navigates survives: no script, no event handler,
 * no frame, form or link with a scheme of its own; pictures and clips only as data URLs. The page's content security
 * policy is the second wall, not the first.
 */
import MarkdownIt from "markdown-it";
import sanitizeHtml from "sanitize-html";
import { escapeHtml } from "../table.ts";

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

/**
 * Formulas are set aside before Markdown sees them, so that its underscores and stars stay TeX, and come back as text.
 */
function withFormulas(text: string, render: (text: string) => string): string {
  const formulas: string[] = [];
  const marked = text.replaceAll(
    /\$\$([\s\S]+?)\$\$|(?<![\\$\w])\$([^$\n]{1,200}?[^\s\\$])\$(?![\w$])/g,
    (_, block?: string, inline?: string) => {
      const tex = escapeHtml((block ?? inline ?? "").trim());
      formulas.push(
        block === undefined ? `<code class="tex">${tex}</code>` : `<pre class="tex">${tex}</pre>`,
      );
      return `\uE000${formulas.length - 1}\uE001`;
    },
  );
  return render(marked).replaceAll(/\uE000(\d+)\uE001/g, (_, index: string) => formulas[Number(index)] ?? "");
}

/** Markdown as HTML: raw HTML in it stays text, then the result passes through `safeHtml` like any other. */
export function safeMarkdown(text: string, options: { keepsHeadings?: boolean } = {}): string {
  const html = withFormulas(text.replaceAll(/[\uE000\uE001]/g, ""), (plain) => markdown.render(plain));
  return options.keepsHeadings ? keepHeadings(html) : safeHtml(html);
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
