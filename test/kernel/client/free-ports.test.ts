import { createServer } from "node:net";
import { expect, it } from "vitest";
import { freePorts } from "../../../kernel/client/free-ports.ts";

it("gives different ports that can be taken, below those that systems hand out", async () => {
  const ports = await freePorts(40);
  expect(new Set(ports).size).toBe(40);
  for (const port of ports) {
    expect(port).toBeGreaterThanOrEqual(10_000);
    expect(port).toBeLessThan(32_768);
  }
  const server = createServer();
  const taken = new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(ports[0], "127.0.0.1", resolve);
  });
  await expect(taken).resolves.toBeUndefined();
  // One that is held is passed over.
  for (let i = 0; i < 20; i++) expect(await freePorts(20)).not.toContain(ports[0]);
  await new Promise((resolve) => server.close(resolve));
});

it("says what is missing where no port is free", async () => {
  await expect(freePorts(500)).rejects.toThrow(
    /^Cannot start a kernel as it needs 500 free ports of 127\.0\.0\.1 from 10000 to 32767: found \d+ in 200 tries\./,
  );
});
