/** `display()`, displays that update in place, `clearOutput()`. */
import { randomUUID } from "node:crypto";
import { outputParent, send } from "./channel.ts";
import { DISPLAY, type Rendered, render } from "./render.ts";

export interface DisplayOptions {
  /** Name of the place: a second `display` with this id in the same cell replaces what the first one showed. */
  readonly id?: string;
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Replace what any earlier cell shows under `id`, instead of showing it here. */
  readonly update?: boolean;
}

/** A place in the output. Updates are thinned to ten a second; the last one always arrives before the cell ends. */
export interface DisplayHandle {
  readonly id: string;
  update(value: unknown): void;
}

/** Jupyter servers drop output beyond a rate; ten updates a second are as many as an eye follows. */
const INTERVAL_MS = 100;

interface Place {
  readonly id: string;
  readonly parent: string;
  metadata: Readonly<Record<string, unknown>>;
  shown: boolean;
  busy: boolean;
  lastSent: number;
  timer: NodeJS.Timeout | null;
  /** The newest value that is not shown yet, in a box as `undefined` is a value too. */
  next: { readonly value: unknown } | null;
}

let places = new Map<string, Place>();
let rendering = new Set<Promise<void>>();
let faults: unknown[] = [];

function emit(place: Place, data: Rendered, update: boolean): void {
  if (data === null) return;
  const { id, parent, metadata } = place;
  send({ type: "display", parent, data, metadata, id, update });
  place.shown = true;
  // A beat, not a gap: a timer that is a little late must not push back all that follow, or a program that draws ten
  // times a second falls behind until an update is passed over.
  const now = performance.now();
  const late = now - place.lastSent - INTERVAL_MS;
  place.lastSent = late >= 0 && late < INTERVAL_MS / 2 ? now - late : now;
}

/** Keeps `work` until it is over; its fault fails the cell. */
function track(work: Promise<void>): void {
  const kept = work
    .catch((fault) => {
      faults.push(fault);
    })
    .finally(() => rendering.delete(kept));
  rendering.add(kept);
}

function show(place: Place, value: unknown): void {
  const rendered = render(value);
  const update = place.shown;
  if (!(rendered instanceof Promise)) {
    emit(place, rendered, update);
    return;
  }
  place.busy = true;
  track(
    rendered
      .then((data) => emit(place, data, place.shown))
      .finally(() => {
        place.busy = false;
        if (place.next !== null) schedule(place);
      }),
  );
}

function showNext(place: Place): void {
  if (place.timer !== null) clearTimeout(place.timer);
  place.timer = null;
  if (place.next === null || place.busy) return;
  const { value } = place.next;
  place.next = null;
  show(place, value);
}

/** Shows the waiting value now, or when a tenth of a second has passed since the last one. */
function schedule(place: Place): void {
  if (place.busy) return;
  const wait = INTERVAL_MS - (performance.now() - place.lastSent);
  if (wait <= 0) showNext(place);
  else
    place.timer ??= setTimeout(() => {
      place.timer = null;
      try {
        showNext(place);
      } catch (fault) {
        faults.push(fault);
      }
    }, wait);
}

function placeOf(id: string, options: DisplayOptions): Place {
  const place: Place = {
    id,
    parent: outputParent(),
    metadata: options.metadata ?? {},
    shown: options.update ?? false,
    busy: false,
    lastSent: Number.NEGATIVE_INFINITY,
    timer: null,
    next: null,
  };
  if (options.id !== undefined) places.set(id, place);
  return place;
}

const handleOf = (place: Place): DisplayHandle =>
  Object.freeze({
    id: place.id,
    update(value: unknown): void {
      place.next = { value };
      places.set(place.id, place);
      schedule(place);
    },
    // The handle as a cell's last value shows nothing of itself.
    [DISPLAY]: () => undefined,
  });

/** Shows `value` here and now; see `DisplayOptions` for showing it in a place that changes. */
export function display(value: unknown, options: DisplayOptions = {}): DisplayHandle {
  const { id } = options;
  const known = id === undefined ? undefined : places.get(id);
  if (known !== undefined && known.parent === outputParent()) {
    known.metadata = options.metadata ?? known.metadata;
    known.next = { value };
    schedule(known);
    return handleOf(known);
  }
  const place = placeOf(id ?? randomUUID(), options);
  show(place, value);
  return handleOf(place);
}

/** Clears the output of the cell; `wait` holds that back until the next output comes, which avoids flicker. */
export function clearOutput(wait: boolean | { readonly wait?: boolean } = false): void {
  send({
    type: "clear",
    parent: outputParent(),
    wait: typeof wait === "boolean" ? wait : (wait.wait ?? false),
  });
}

/** Shows all that waits; rejects with the first fault of a value's own drawing. Called before a cell ends. */
export async function settleDisplays(): Promise<void> {
  let waiting = true;
  while (waiting) {
    for (const place of places.values()) showNext(place);
    await Promise.all(rendering);
    waiting = rendering.size > 0 || [...places.values()].some((place) => place.next !== null);
  }
  places = new Map(); // The next cell's `display(value, { id })` shows in the next cell.
  const [fault] = faults;
  faults = [];
  if (fault !== undefined) throw fault;
}

/** Forgets what was waiting, after an interrupt. */
export function abandonDisplays(): void {
  for (const place of places.values()) if (place.timer !== null) clearTimeout(place.timer);
  places = new Map();
  rendering = new Set();
  faults = [];
}
