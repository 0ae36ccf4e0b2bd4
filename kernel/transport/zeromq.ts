/** The five sockets of a kernel on libzmq. */
import * as zmq from "zeromq";
import { address, type Connection } from "../protocol/connection.ts";
import { type SendQueue, sendQueue } from "./send-queue.ts";
import type { Channel, Frames, Transport, TransportEvents } from "./transport.ts";

/** Binds all sockets of `connection`; rejects when a port is taken. */
export async function zeromqTransport(connection: Connection, events: TransportEvents): Promise<Transport> {
  // High-water mark 0 = never drop: back pressure is applied at the child's pipe instead.
  const options = { sendHighWaterMark: 0, linger: 1000 };
  const routers = {
    shell: new zmq.Router(options),
    control: new zmq.Router(options),
    stdin: new zmq.Router(options),
  };
  const heartbeat = new zmq.Router(options);
  const iopub = new zmq.XPublisher(options);
  iopub.verbosity = "allSubs"; // Each new subscriber is welcomed, also to a topic that already has one.
  const sockets = [...Object.values(routers), heartbeat, iopub];
  let closed = false;
  const complain = (error: unknown): void => {
    if (!closed) process.stderr.write(`[zoetrope] a send failed: ${String(error)}\n`);
  };
  const queueOf = (socket: zmq.Router | zmq.XPublisher): SendQueue =>
    sendQueue((frames) => socket.send(frames as Uint8Array[]), complain);
  const queues = {
    shell: queueOf(routers.shell),
    control: queueOf(routers.control),
    stdin: queueOf(routers.stdin),
    iopub: queueOf(iopub),
  };
  const receive = async (
    socket: zmq.Router | zmq.XPublisher,
    take: (frames: Frames) => void,
  ): Promise<void> => {
    try {
      for await (const frames of socket) take(frames);
    } catch (error) {
      complain(error);
    }
  };
  const bind = async (socket: zmq.Router | zmq.XPublisher, port: number): Promise<void> => {
    const place = address(connection, port);
    try {
      await socket.bind(place);
    } catch (error) {
      throw new Error(`${(error as Error).message}: ${place}`, { cause: error });
    }
  };
  await Promise.all([
    bind(routers.shell, connection.shell_port),
    bind(routers.control, connection.control_port),
    bind(routers.stdin, connection.stdin_port),
    bind(heartbeat, connection.hb_port),
    bind(iopub, connection.iopub_port),
  ]);
  const beats = queueOf(heartbeat);
  void receive(heartbeat, (frames) => beats.push(frames));
  void receive(iopub, ([frame]) => {
    if (frame?.[0] === 1) events.onSubscribe(frame.subarray(1));
  });
  for (const channel of Object.keys(routers) as Channel[])
    void receive(routers[channel], (frames) => events.onRequest(channel, frames));
  return {
    send: (channel, frames) => queues[channel].push(frames),
    get iopubBacklog() {
      return queues.iopub.backlog;
    },
    drained: async () => {
      await Promise.all(Object.values(queues).map((queue) => queue.drained()));
    },
    async close() {
      closed = true;
      for (const socket of sockets) socket.close();
    },
  };
}
