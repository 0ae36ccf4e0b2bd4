/** Whether Node's event loop works: a timer, an immediate, a tick, a microtask and a read of the file system, in turn. */
import { stat } from "node:fs";
import { setImmediate, setTimeout } from "node:timers";

/** Calls `isSound` when all five have come, in a few milliseconds; never, where one does not come. */
export function probe(isSound: () => void): void {
  const microtask = (): void => void Promise.resolve().then(() => stat("/", isSound));
  const tick = (): void => process.nextTick(microtask);
  setTimeout(() => setImmediate(tick), 1);
}
