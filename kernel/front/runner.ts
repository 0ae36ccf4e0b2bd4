/**
 * One cell at a time: prepared by the language worker, run by the child, stopped by the interrupt ladder. Knows nothing
 * of messages; a cell goes in, an outcome comes out.
 */
import { type Failure, type Frame, NO_CELL, type Outcome, type TypeCheckMode } from "../child/frames.ts";
import type { Language } from "./language.ts";
import type { UserProcess } from "./user-process.ts";

export interface Cell {
  /** Id of the request, under which its output is shown. */
  readonly parent: string;
  readonly name: string;
  readonly code: string;
  readonly silent: boolean;
  readonly expressions: Readonly<Record<string, string>>;
}

export interface CellOutcome {
  readonly failure?: Failure;
  readonly result?: Outcome;
  readonly expressions: Readonly<Record<string, unknown>>;
}

export interface Runner {
  run(cell: Cell): Promise<CellOutcome>;
  /** The stop button. Returns at once; a second press, when the first one did not help, ends the process. */
  interrupt(): void;
  finished(frame: Extract<Frame, { type: "done" }>): void;
  died(cause: string): void;
  setTypeCheck(mode: TypeCheckMode): void;
  readonly running: Cell | null;
}

export interface RunnerParts {
  readonly language: Language;
  readonly child: UserProcess;
  readonly warn: (text: string) => void;
  /** What type errors do until a cell says otherwise. */
  readonly typeCheck: TypeCheckMode;
}

/** From here on a stop button that had no effect is explained, and pressing it again ends the process. */
const STUCK_MS = 1000;
/** Time that the last attempt to stop the cell with its variables kept gets. */
const LAST_CHANCE_MS = 300;

const stuckBy = (cause: string): string =>
  `\n[kernel] The cell does not stop: ${cause}. Interrupt again to end the process (variables are lost).\n`;
const STUCK = stuckBy("it is inside native code or a subprocess");
const UNHEARD = stuckBy("the thread that stops cells does not answer");

const failure = (ename: string, evalue: string): Failure => ({
  ename,
  evalue,
  traceback: [`\u001b[31m${ename}\u001b[0m: ${evalue}`],
});
const stopped = (): CellOutcome => ({
  failure: failure("Interrupted", "the cell was stopped; its variables are kept"),
  expressions: {},
});

interface Run {
  readonly cell: Cell;
  readonly settle: (outcome: CellOutcome) => void;
  inChild: boolean;
  interruptedAt: number | null;
  killed: boolean;
  stuck: NodeJS.Timeout | null;
}

export function runner({ language, child, warn, typeCheck: firstMode }: RunnerParts): Runner {
  let run: Run | null = null;
  let typeCheck = firstMode;

  const start = async (mine: Run): Promise<void> => {
    const { cell } = mine;
    const { code, name, expressions } = cell;
    const prepared = await language.ask({ op: "prepare", code, name, typeCheck, expressions });
    if (run !== mine) return; // Interrupted meanwhile.
    if (!prepared.ok) {
      mine.settle({ failure: prepared.failure, expressions: {} });
      return;
    }
    if (prepared.warning !== undefined) warn(prepared.warning);
    mine.inChild = true;
    child.send({
      op: "run",
      parent: cell.parent,
      name,
      source: code,
      script: prepared.script,
      map: prepared.map,
      silent: cell.silent,
      expressions: prepared.expressions,
    });
  };

  return {
    get running() {
      return run?.cell ?? null;
    },
    run(cell) {
      return new Promise((resolve) => {
        const mine: Run = {
          cell,
          inChild: false,
          interruptedAt: null,
          killed: false,
          stuck: null,
          settle(outcome) {
            if (run !== mine) return;
            if (mine.stuck !== null) clearTimeout(mine.stuck);
            run = null;
            resolve(outcome);
          },
        };
        run = mine;
        start(mine).catch((error: Error) =>
          mine.settle({ failure: failure("KernelError", error.message), expressions: {} }),
        );
      });
    },
    interrupt() {
      const mine = run;
      if (mine === null) {
        child.warn({ interrupt: NO_CELL });
        return;
      }
      if (!mine.inChild) {
        mine.settle(stopped());
        return;
      }
      child.warn({ interrupt: mine.cell.parent });
      const now = performance.now();
      if (mine.interruptedAt === null) {
        mine.interruptedAt = now;
        mine.stuck = setTimeout(() => warn(child.isHeard() ? STUCK : UNHEARD), STUCK_MS);
      } else if (now - mine.interruptedAt >= STUCK_MS) {
        setTimeout(() => {
          if (run !== mine) return;
          mine.killed = true;
          child.kill();
        }, LAST_CHANCE_MS);
      }
    },
    finished(frame) {
      const mine = run;
      if (mine?.cell.parent !== frame.parent) return;
      void child.nativeDrained().then(() =>
        mine.settle({
          expressions: frame.expressions,
          ...(frame.result === undefined ? {} : { result: frame.result }),
          ...(frame.failure === undefined ? {} : { failure: frame.failure }),
        }),
      );
    },
    died(cause) {
      const mine = run;
      void language.ask({ op: "reset" }).catch(() => {});
      if (mine?.inChild !== true) return;
      const why = mine.killed
        ? "the process was ended by a second interrupt; variables are lost"
        : `the process of the notebook ended (${cause}); variables are lost`;
      mine.settle({
        failure: failure("ProcessDied", `${why}, the kernel is alive and the next cell starts afresh`),
        expressions: {},
      });
    },
    setTypeCheck(mode) {
      typeCheck = mode;
    },
  };
}
