/** Jupyter counts cursor positions in Unicode code points, JavaScript in UTF-16 units. */

/** UTF-16 offset of the code point `position` of `text`; positions outside are clamped. */
export function toUtf16(text: string, position: number): number {
  let offset = 0;
  for (let point = 0; point < position && offset < text.length; point++)
    offset += text.codePointAt(offset)! > 0xffff ? 2 : 1;
  return offset;
}

/** Number of code points before the UTF-16 `offset` of `text`. */
export function toCodePoints(text: string, offset: number): number {
  let points = 0;
  for (let at = 0; at < offset && at < text.length; points++) at += text.codePointAt(at)! > 0xffff ? 2 : 1;
  return points;
}
