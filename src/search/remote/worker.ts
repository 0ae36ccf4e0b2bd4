/** The process behind one channel of `workerFleet`: makes its space as ordered, then answers until the channel closes. */
import { pathToFileURL } from "node:url";
import { setThreads, useDevice } from "../../tensor/device.ts";
import type { LatentSpace } from "../latent-space.ts";
import { hostSpace } from "./host.ts";
import type { Answer, Request } from "./protocol.ts";
import type { WorkerOrders } from "./worker-fleet.ts";

const send = (message: Answer): void => {
  process.send!(message);
};

process.on("disconnect", () => process.exit(0));
try {
  const { name, module, options, threads } = JSON.parse(process.argv[2]!) as WorkerOrders;
  const device = await useDevice("auto");
  if (device.backend === "native" || device.backend === "wasm") setThreads(threads);
  const made = (await import(pathToFileURL(module).href)) as {
    searchSpace(options: unknown): Promise<LatentSpace> | LatentSpace;
  };
  const space = await made.searchSpace(options);
  const channel = {
    send,
    onMessage: (listener: (request: Request) => void) => {
      process.on("message", listener);
    },
    onClose: () => {},
    close: () => process.exit(0),
  };
  hostSpace(space, channel, name);
} catch (error) {
  send({ failed: error instanceof Error ? error.message : String(error) });
}
