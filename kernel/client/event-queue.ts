/** From callbacks to `for await`: what is pushed comes out in order, until `end`. One reader. */
export interface EventQueue<T> extends AsyncIterable<T> {
  push(event: T): void;
  /** No more events; what is waiting is still delivered. */
  end(): void;
}

export function eventQueue<T>(): EventQueue<T> {
  const waiting: T[] = [];
  let hasEnded = false;
  let wake: () => void = () => undefined;
  return Object.freeze({
    push(event: T) {
      waiting.push(event);
      wake();
    },
    end() {
      hasEnded = true;
      wake();
    },
    async *[Symbol.asyncIterator](): AsyncGenerator<T> {
      for (;;) {
        yield* waiting.splice(0);
        if (waiting.length > 0) continue;
        if (hasEnded) return;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  });
}
