/** The connection file that a Jupyter client writes for its kernel. */

export interface Connection {
  readonly transport: "tcp" | "ipc";
  readonly ip: string;
  readonly key: string;
  readonly signature_scheme: string;
  readonly shell_port: number;
  readonly control_port: number;
  readonly stdin_port: number;
  readonly hb_port: number;
  readonly iopub_port: number;
}

const PORTS = ["shell_port", "control_port", "stdin_port", "hb_port", "iopub_port"] as const;

/** Reads the text of a connection file. Throws an Error that names the field at fault. */
export function parseConnection(text: string): Connection {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch (error) {
    throw new Error(`Cannot read the connection file as it must be JSON: ${(error as Error).message}.`);
  }
  if (typeof given !== "object" || given === null)
    throw new Error(
      `Cannot read the connection file as it must hold a JSON object: got ${text.slice(0, 40)}.`,
    );
  const fields = given as Record<string, unknown>;
  for (const port of PORTS)
    if (!Number.isInteger(fields[port]))
      throw new Error(
        `Cannot connect as ${port} must be a port number: got ${JSON.stringify(fields[port])}.`,
      );
  const transport = fields["transport"] ?? "tcp";
  if (transport !== "tcp" && transport !== "ipc")
    throw new Error(`Cannot connect as transport must be "tcp" or "ipc": got ${JSON.stringify(transport)}.`);
  return {
    transport,
    ip: String(fields["ip"] ?? "127.0.0.1"),
    key: String(fields["key"] ?? ""),
    signature_scheme: String(fields["signature_scheme"] || "hmac-sha256"),
    shell_port: Number(fields["shell_port"]),
    control_port: Number(fields["control_port"]),
    stdin_port: Number(fields["stdin_port"]),
    hb_port: Number(fields["hb_port"]),
    iopub_port: Number(fields["iopub_port"]),
  };
}

/** ZeroMQ address of one port. */
export const address = ({ transport, ip }: Connection, port: number): string =>
  transport === "ipc" ? `ipc://${ip}-${port}` : `tcp://${ip}:${port}`;
