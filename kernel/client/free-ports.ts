/**
 * Ports for a kernel that is about to start. They are let go before it takes them, so they come from below the range
 * that systems hand out by themselves: nobody gets one there who did not ask for it by number.
 */
import { randomInt } from "node:crypto";
import { createServer, type Server } from "node:net";

/** Above what services are known by; below where Linux (32768), macOS and Windows (49152) begin to hand out. */
const [LEAST, MOST] = [10_000, 32_767];
const MOST_TRIES = 200;

/** The server that holds a port, or nothing where somebody has it. */
function hold(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(undefined));
    server.listen(port, "127.0.0.1", () => resolve(server));
  });
}

/**
 * So many different ports of 127.0.0.1 that were free a moment ago.
 * @throws Error when hardly any port is free
 */
export async function freePorts(count: number): Promise<number[]> {
  const held = new Map<number, Server>();
  for (let tries = 0; held.size < count && tries < MOST_TRIES; tries++) {
    const port = randomInt(LEAST, MOST + 1);
    const server = held.has(port) ? undefined : await hold(port);
    if (server !== undefined) held.set(port, server);
  }
  const ports = [...held.keys()];
  await Promise.all([...held.values()].map((server) => new Promise((resolve) => server.close(resolve))));
  if (ports.length < count) {
    throw new Error(
      `Cannot start a kernel as it needs ${count} free ports of 127.0.0.1 from ${LEAST} to ${MOST}: found ${ports.length} in ${MOST_TRIES} tries. End programs that hold them.`,
    );
  }
  return ports;
}
