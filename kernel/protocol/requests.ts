/**
 * Contents of incoming requests, read leniently: an absent or mistyped field takes the default of the specification,
 * so that no content, however odd, reaches a handler in a shape that it does not expect.
 */
import type { JsonObject } from "./message.ts";

const text = (value: unknown, otherwise = ""): string => (typeof value === "string" ? value : otherwise);
const truth = (value: unknown, otherwise: boolean): boolean =>
  typeof value === "boolean" ? value : otherwise;
const integer = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? Math.trunc(value) : null;
export const record = (value: unknown): JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};

export interface ExecuteRequest {
  readonly code: string;
  readonly silent: boolean;
  /** Never true of a silent request. */
  readonly storesHistory: boolean;
  readonly userExpressions: Readonly<Record<string, string>>;
  readonly allowsStdin: boolean;
  readonly stopsOnError: boolean;
}

export function executeRequest(content: JsonObject): ExecuteRequest {
  const silent = truth(content["silent"], false);
  const expressions = Object.entries(record(content["user_expressions"]));
  return {
    code: text(content["code"]),
    silent,
    storesHistory: !silent && truth(content["store_history"], true),
    userExpressions: Object.fromEntries(expressions.map(([name, code]) => [name, String(code)])),
    allowsStdin: truth(content["allow_stdin"], false),
    stopsOnError: truth(content["stop_on_error"], true),
  };
}

/** Code with a cursor, in code points; the end of the code where none is given. */
export interface CursorRequest {
  readonly code: string;
  readonly cursor: number;
  readonly detail: number;
}

export function cursorRequest(content: JsonObject): CursorRequest {
  const code = text(content["code"]);
  return {
    code,
    cursor: Math.max(0, integer(content["cursor_pos"]) ?? code.length),
    detail: integer(content["detail_level"]) ?? 0,
  };
}

export interface HistoryRequest {
  readonly access: "tail" | "range" | "search";
  readonly withOutput: boolean;
  readonly session: number;
  readonly start: number;
  readonly stop: number | null;
  readonly n: number | null;
  readonly pattern: string;
  readonly unique: boolean;
}

export function historyRequest(content: JsonObject): HistoryRequest {
  const access = content["hist_access_type"];
  return {
    access: access === "range" || access === "search" ? access : "tail",
    withOutput: truth(content["output"], false),
    session: integer(content["session"]) ?? 0,
    start: integer(content["start"]) ?? 0,
    stop: integer(content["stop"]),
    n: integer(content["n"]),
    pattern: text(content["pattern"], "*"),
    unique: truth(content["unique"], false),
  };
}

export interface CommOpen {
  readonly id: string;
  readonly target: string;
  readonly data: unknown;
}

export const commOpen = (content: JsonObject): CommOpen => ({
  id: text(content["comm_id"]),
  target: text(content["target_name"]),
  data: content["data"] ?? {},
});
