/** The language service's worker as promises. */
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import type { LanguageAnswers, LanguageRequest } from "../cell/worker.ts";
import { packageRoot } from "../package-root.ts";

export interface Language {
  ask<Op extends keyof LanguageAnswers>(
    request: Extract<LanguageRequest, { op: Op }>,
  ): Promise<LanguageAnswers[Op]>;
  close(): void;
}

interface Waiting {
  readonly resolve: (value: never) => void;
  readonly reject: (reason: Error) => void;
}

export function language(folder: string): Language {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | null = null;
  let lastId = 0;
  const fail = (fault: NodeJS.ErrnoException): void => {
    const lacks = fault.code === "MODULE_NOT_FOUND" || fault.code === "ERR_MODULE_NOT_FOUND";
    const reason = lacks
      ? new Error(
          `${fault.message.split("\n")[0]}: the installation is incomplete. Run npm ci in ${packageRoot}.`,
        )
      : fault;
    for (const { reject } of waiting.values()) reject(reason);
    waiting.clear();
    worker = null; // The next question starts a new one; types of earlier cells are lost, their values are not.
  };
  const start = (): Worker => {
    const started = new Worker(fileURLToPath(new URL("../cell/worker.js", import.meta.url)), {
      workerData: { folder },
    });
    started.on("message", ({ id, value, fault }: { id: number; value?: never; fault?: string }) => {
      const asked = waiting.get(id);
      waiting.delete(id);
      if (fault === undefined) asked?.resolve(value as never);
      else asked?.reject(new Error(fault));
    });
    started.on("error", fail);
    started.unref();
    return started;
  };
  return Object.freeze({
    ask<Op extends keyof LanguageAnswers>(
      request: Extract<LanguageRequest, { op: Op }>,
    ): Promise<LanguageAnswers[Op]> {
      worker ??= start();
      lastId++;
      const id = lastId;
      const { promise, resolve, reject } = withResolvers<LanguageAnswers[Op]>();
      waiting.set(id, { resolve, reject });
      worker.postMessage({ id, request });
      return promise;
    },
    close(): void {
      void worker?.terminate();
    },
  });
}

function withResolvers<T>(): {
  promise: Promise<T>;
  resolve: (value: T) => void;
  reject: (reason: Error) => void;
} {
  let resolve!: (value: T) => void;
  let reject!: (reason: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}
