/** Tries one tensor backend and prints what it is: the child process of `zoetrope doctor`. */
import { type DeviceName, useDevice } from "../tensor/device.ts";
import { tf } from "../tensor/tf.ts";

try {
  const chosen = await useDevice(process.argv[2] as DeviceName);
  const [sum] = await tf
    .matMul(tf.ones([8, 8]), tf.ones([8, 8]))
    .sum()
    .data();
  if (sum !== 512) throw new Error(`computes 8x8 ones wrongly: ${sum} instead of 512`);
  process.stdout.write(`${chosen}\n`);
  process.exit(0);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}
