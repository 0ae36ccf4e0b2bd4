/**
 * tfjs's WebGPU backend, with what it gets wrong under Node put right: empty tensors, the cache of shaders of cumulative
 * ops, and what it says when a tensor is read synchronously.
 */
import { WebGPUBackend, type WebGPUProgram } from "@tensorflow/tfjs-backend-webgpu";
import { tf } from "../tf.ts";

export type { WebGPUProgram };
export type UniformData = { type: string; data: number[] }[];

export class RepairedWebgpuBackend extends WebGPUBackend {
  /** An empty tensor needs no buffer, but its binding does: four bytes, which no shader reads. */
  override uploadToGPU(dataId: object): void {
    const data = this.tensorMap.get(dataId);
    if (data.resource == null && tf.util.sizeFromShape(data.shape) === 0) {
      data.resource = this.bufferManager.acquireBuffer(
        4,
        GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
      );
      return;
    }
    super.uploadToGPU(dataId);
  }

  override async read(dataId: object): Promise<tf.BackendValues> {
    const { shape, dtype } = this.tensorMap.get(dataId);
    if (dtype !== "string" && dtype !== "complex64" && tf.util.sizeFromShape(shape) === 0) {
      return tf.util.getTypedArrayFromDType(dtype as "float32", 0) as tf.BackendValues;
    }
    return super.read(dataId);
  }

  override readSync(dataId: object): tf.BackendValues {
    const { values, dtype, shape } = this.tensorMap.get(dataId);
    if (values == null && dtype !== "string" && dtype !== "complex64") {
      if (tf.util.sizeFromShape(shape) === 0) {
        return tf.util.getTypedArrayFromDType(dtype as "float32", 0) as tf.BackendValues;
      }
      throw new Error(
        `Cannot read a tensor of webgpu in the same breath as a GPU answers later: got dataSync() or arraySync() on ${dtype} [${shape}]. ` +
          "Write `await x.data()` or `await x.array()`.",
      );
    }
    return super.readSync(dataId);
  }

  override runWebGPUProgram(
    program: WebGPUProgram,
    inputs: tf.TensorInfo[],
    outputDtype: tf.DataType,
    uniforms?: UniformData,
    output?: tf.TensorInfo,
  ): tf.TensorInfo {
    // The length of the axis is compiled into this shader, but tfjs leaves it out of the shader's name.
    if (program.shaderKey.startsWith("cum_")) program.shaderKey += `_${program.outputShape.at(-1)}`;
    return super.runWebGPUProgram(program, inputs, outputDtype, uniforms, output);
  }
}
