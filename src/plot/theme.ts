/**
 * One look for every chart. Categories are Okabe and Ito's colours (Color Universal Design, 2008), with orange and sky
 * blue darkened and black replaced by grey so that each keeps 3:1 contrast on white and on #111 alike; text is a grey
 * legible on both, and the background is transparent. Colour never is the only cue: shapes or labels repeat it.
 */

export const ink = "#757575";
export const faint = "#8a8a8a";

export const palette = {
  blue: "#0072B2",
  vermillion: "#D55E00",
  green: "#009E73",
  purple: "#CC79A7",
  orange: "#C47F00",
  sky: "#3D9BD1",
  grey: "#808080",
} as const;

const order: readonly string[] = Object.values(palette);

/** A method keeps its colour in every chart of every report. Keys are names in lower case without punctuation. */
const fixed: Readonly<Record<string, string>> = {
  linear: palette.blue,
  linearsearch: palette.blue,
  randomlinear: palette.blue,
  bestofn: palette.blue,
  treeofframes: palette.vermillion,
  tof: palette.vermillion,
  evosearch: palette.green,
  evo: palette.green,
  particles: palette.purple,
  particlesampling: palette.purple,
  particle: palette.purple,
  beam: palette.orange,
  beamsearch: palette.orange,
  zeroorder: palette.sky,
  zeroordersearch: palette.sky,
  base: palette.grey,
  baseline: palette.grey,
  oracle: palette.grey,
  teacherforcing: palette.blue,
  diffusionforcing: palette.purple,
  noiseaugmentation: palette.orange,
  parallelresampling: palette.green,
  resamplingforcing: palette.vermillion,
  dense: palette.blue,
  densehistory: palette.blue,
  slidingwindow: palette.green,
  window: palette.green,
  routing: palette.vermillion,
  historyrouting: palette.vermillion,
  routingtrained: palette.purple,
};

const plain = (name: string) => name.toLowerCase().replace(/[^a-z0-9]/g, "");

/**
 * Colours for names: fixed ones for known methods, the unused rest of the palette (in order of first appearance) for
 * others. Beyond seven names colours repeat, and the shape or label has to tell.
 */
export function methodColors(names: readonly string[]): { domain: string[]; range: string[] } {
  const domain = [...new Set(names)];
  const taken = new Set(domain.map((name) => fixed[plain(name)]).filter((color) => color !== undefined));
  const free = order.filter((color) => !taken.has(color));
  const pool = free.length > 0 ? free : order;
  let next = 0;
  const range = domain.map((name) => fixed[plain(name)] ?? pool[next++ % pool.length]!);
  return { domain, range };
}

const shapes = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right"];

export function methodShapes(names: readonly string[]): { domain: string[]; range: string[] } {
  const domain = [...new Set(names)];
  return { domain, range: domain.map((_, i) => shapes[i % shapes.length]!) };
}

/** Vega-Lite's `config`, shared by all charts. */
export const theme = {
  background: "transparent",
  font: "system-ui, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif",
  padding: 8,
  view: { stroke: null },
  title: {
    anchor: "start",
    frame: "group",
    color: ink,
    fontSize: 15,
    fontWeight: 600,
    subtitleColor: faint,
    subtitleFontSize: 11,
    subtitlePadding: 5,
    subtitleLineHeight: 15,
    offset: 16,
  },
  axis: {
    labelColor: ink,
    labelFontSize: 11,
    labelPadding: 6,
    titleColor: ink,
    titleFontSize: 11.5,
    titleFontWeight: 500,
    titlePadding: 10,
    gridColor: faint,
    gridOpacity: 0.22,
    domainColor: faint,
    tickColor: faint,
    tickSize: 4,
  },
  axisX: { grid: false },
  axisY: { domain: false, ticks: false },
  legend: {
    labelColor: ink,
    titleColor: ink,
    labelFontSize: 11,
    titleFontSize: 11.5,
    titleFontWeight: 500,
    symbolSize: 70,
    gradientThickness: 10,
  },
  header: {
    labelColor: ink,
    titleColor: ink,
    labelFontSize: 12,
    labelFontWeight: 600,
    labelAnchor: "start",
    titleFontSize: 11.5,
  },
  range: { category: [...order], heatmap: { scheme: "cividis" } },
  text: { color: ink, fontSize: 11 },
  rule: { color: faint },
} as const;
