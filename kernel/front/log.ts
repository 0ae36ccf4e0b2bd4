/** Faults of clients, on stderr of the kernel (the server's log). A flood is summarised, not repeated. */

const SHOWN_PER_MINUTE = 20;

export function limitedLog(
  write: (line: string) => void = (line) => process.stderr.write(line),
): (text: string) => void {
  let minute = 0;
  let count = 0;
  return (text) => {
    const now = Math.floor(Date.now() / 60_000);
    if (now !== minute) {
      if (count > SHOWN_PER_MINUTE) write(`[zoetrope] ... and ${count - SHOWN_PER_MINUTE} more\n`);
      minute = now;
      count = 0;
    }
    count++;
    if (count <= SHOWN_PER_MINUTE) write(`[zoetrope] ${text}\n`);
  };
}
