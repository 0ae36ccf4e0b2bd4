/** Entry point: `node dist/kernel/front/main.js --connection-file FILE`, as a kernelspec or a client starts it. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { packageRoot, packageVersion } from "../package-root.ts";
import { parseConnection } from "../protocol/connection.ts";
import { startKernel } from "./kernel.ts";

const { values } = parseArgs({ options: { "connection-file": { type: "string", short: "f" } } });
const file = values["connection-file"];
if (file === undefined) {
  process.stderr.write("Cannot serve as no connection file was given. Pass --connection-file FILE.\n");
  process.exit(2);
}

const MODES = ["error", "warn", "off"] as const;

/** The sockets, loaded here so that what a half-made installation lacks is told in one sentence. */
async function transport(): Promise<typeof import("../transport/zeromq.ts")> {
  try {
    return await import("../transport/zeromq.ts");
  } catch (error) {
    throw new Error(
      `the package zeromq cannot be loaded (${(error as Error).message.split("\n")[0]}). Run npm ci in ${packageRoot}`,
      { cause: error },
    );
  }
}

/** How often the kernel looks whether the process that started it is still there. */
const PARENT_CHECK_MS = 2000;

try {
  const connection = parseConnection(readFileSync(file, "utf8"));
  const { zeromqTransport } = await transport();
  const kernel = await startKernel({
    connection,
    folder: process.cwd(),
    version: packageVersion,
    typeCheck: MODES.find((mode) => mode === process.env["ZOETROPE_TYPE_CHECK"]) ?? "error",
    bind: zeromqTransport,
  });
  process.on("SIGINT", kernel.interrupt);
  const end = (): void => {
    void kernel.close().finally(() => process.exit(0));
  };
  process.on("SIGTERM", end);
  process.on("SIGHUP", end);
  const { ppid } = process;
  if (String(ppid) === process.env["JPY_PARENT_PID"])
    setInterval(() => {
      if (process.ppid !== ppid) end();
    }, PARENT_CHECK_MS).unref();
  await kernel.closed;
  process.exit(0);
} catch (error) {
  process.stderr.write(`Cannot serve ${file}: ${(error as Error).message.replace(/\.$/, "")}.\n`);
  process.exit(1);
}
