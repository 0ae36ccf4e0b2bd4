/** What the kernel needs of a transport: three request channels, one broadcast channel. No ZeroMQ type leaks out. */

export type Frames = readonly Uint8Array[];
export type Channel = "shell" | "control" | "stdin";

export interface TransportEvents {
  onRequest(channel: Channel, frames: Frames): void;
  /** A client subscribed to iopub with this topic prefix. */
  onSubscribe(topic: Uint8Array): void;
}

export interface Transport {
  send(channel: Channel | "iopub", frames: Frames): void;
  /** Bytes that were handed to iopub and are not yet taken by the socket. */
  readonly iopubBacklog: number;
  /** Resolves when everything sent so far was taken by the sockets. */
  drained(): Promise<void>;
  close(): Promise<void>;
}
