#!/usr/bin/env node
/** Entry point of the kernel's program. Loads the rest so that a half-made installation is told in one sentence. */
import { packageRoot } from "../package-root.ts";

// `zoetrope doctor | head`: who has read enough closes the pipe, which is no fault.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
  process.exit();
});

try {
  const { program } = await import("./program.ts");
  await program.parseAsync();
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  const lacks = code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND";
  const told = lacks
    ? `${message.split("\n")[0]}. The installation is incomplete: run npm ci in ${packageRoot}.`
    : message;
  process.stderr.write(`zoetrope: ${told}\n`);
  process.exitCode = 1;
}
