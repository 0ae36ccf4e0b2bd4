/**
 * The tensor backend "native" (addon) and "wasm" (same kernels, same class): storage of tensors and the one way to call
 * a C++ kernel. What differs between the two, memory and dispatch, is behind `Engine`.
 *
 * A tensor's data id is the `Block` that holds its memory, so no table is between a tensor and its bytes: a tensor that
 * nothing reaches is collected with its block. `dispose` and `tidy` give the memory back at once, to a free pool.
 */
import { type Tensor, tf } from "./tf.ts";

export type TensorInfo = tf.TensorInfo;
export type DataType = tf.DataType;
type Values = tf.backend_util.BackendValues;

/** A piece of memory of an engine. `pointer` is what kernels get. */
export interface Chunk {
  readonly pointer: number;
  /** Usable bytes, at least what was asked for. */
  readonly bytes: number;
}

/** Memory and dispatch of one build of the kernels. */
export interface Engine {
  readonly name: "native" | "wasm";
  /** Where arguments of the next op go. */
  readonly args: Float64Array;
  /** Kernel name to index, as compiled. */
  readonly ops: ReadonlyMap<string, number>;
  /** One line on the machine code in use, such as "avx512". */
  readonly isa: string;
  readonly threads: number;
  setThreads(count: number): void;
  /** Uninitialised memory; throws RangeError when there is none. */
  allocate(bytes: number): Chunk;
  /** Gives memory back; the chunk must not be used again. */
  release(chunk: Chunk): void;
  /** Views of the memory, valid until the next allocation. */
  floats(chunk: Chunk, length: number): Float32Array;
  ints(chunk: Chunk, length: number): Int32Array;
  bytes(chunk: Chunk, length: number): Uint8Array;
  /** Runs op with the first values of `args`, on as many threads as its work (floating point operations) deserves. */
  run(op: number, work: number): void;
  /** Bytes held for live tensors and in the free pool. */
  memory(): { live: number; pooled: number };
  /** Called when a block that nothing reaches must give its chunk back; engines whose memory V8 collects ignore it. */
  watch(block: object, chunk: Chunk): void;
  unwatch(block: object): void;
}

/** What a kernel call takes: numbers as they are, tensors as pointers, typed arrays copied next to the call. */
export type Argument = number | boolean | TensorInfo | Int32Array | Float32Array | null | undefined;

/** A tensor's memory; it is the tensor's data id. */
class Block {
  chunk: Chunk | undefined;
  size: number;
  dtype: DataType;
  refs = 1;
  /** The backend that holds the memory now: a block may move from one of ours to the other. */
  owner: EngineBackend | undefined;
  strings: Uint8Array[] | undefined;
  complex: { real: TensorInfo; imag: TensorInfo } | undefined;
  /** What the engine of tfjs notes of it. */
  note: object | undefined;
  constructor(size: number, dtype: DataType, chunk: Chunk | undefined) {
    this.size = size;
    this.dtype = dtype;
    this.chunk = chunk;
  }
}

/** What tfjs notes of a tensor's memory: on the block itself, as an entry of a WeakMap costs as much as a small kernel. */
class Notes {
  readonly #others: WeakMap<object, object>;
  constructor(others: WeakMap<object, object>) {
    this.#others = others;
  }
  has(dataId: object): boolean {
    return dataId instanceof Block ? dataId.note !== undefined : this.#others.has(dataId);
  }
  get(dataId: object): object | undefined {
    return dataId instanceof Block ? dataId.note : this.#others.get(dataId);
  }
  set(dataId: object, note: object): void {
    if (dataId instanceof Block) dataId.note = note;
    else this.#others.set(dataId, note);
  }
  delete(dataId: object): void {
    if (dataId instanceof Block) dataId.note = undefined;
    else this.#others.delete(dataId);
  }
}
const { state } = tf.engine() as unknown as { state: { tensorInfo: WeakMap<object, object> | Notes } };
if (state.tensorInfo instanceof WeakMap) state.tensorInfo = new Notes(state.tensorInfo);

const STAGING_BYTES = 1 << 20;

export function bytesPerElement(dtype: DataType): number {
  return dtype === "bool" ? 1 : 4;
}

export function sizeOf(shape: readonly number[]): number {
  let n = 1;
  for (const d of shape) n *= d;
  return n;
}

/** Sizes are rounded up to one of eight steps per power of two, so that at most 1/8 is wasted. */
export function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  // A kernel of one op asks for it, so without logarithms where integers do.
  if (bytes <= 2 ** 30) {
    const step = 1 << Math.max(28 - Math.clz32(bytes - 1), 6);
    return (bytes + step - 1) & -step;
  }
  const step = 2 ** (Math.floor(Math.log2(bytes - 1)) - 3);
  return Math.ceil(bytes / step) * step;
}

export class EngineBackend extends tf.KernelBackend {
  readonly engine: Engine;
  /** Of the inputs of matrix products; `setPrecision` changes it. */
  precision: "float32" | "bf16" = "float32";
  /** Blocks of data ids made by another backend and moved here. */
  #moved = new WeakMap<object, Block>();
  #live = 0;
  #staging: Chunk;
  /** Arguments of the running op: what this field reaches cannot be collected meanwhile. */
  pinned: readonly Argument[] | undefined;

  constructor(engine: Engine) {
    super();
    this.engine = engine;
    this.#staging = engine.allocate(STAGING_BYTES);
  }

  // --- storage -------------------------------------------------------------------------------------------------

  #block(dataId: object): Block {
    const block = dataId instanceof Block ? dataId : this.#moved.get(dataId);
    if (block !== undefined && block.refs > 0 && block.owner === this) return block;
    tf.engine().moveData(this, dataId);
    return dataId instanceof Block ? dataId : this.#moved.get(dataId)!;
  }

  #fill(block: Block, values: Values | null, dtype: DataType): void {
    this.#live++;
    block.owner = this;
    if (dtype === "string") {
      block.strings = values as unknown as Uint8Array[];
      return;
    }
    if (dtype === "complex64") {
      const { real, imag } = tf.backend_util.splitRealAndImagArrays(values as Float32Array);
      block.complex = {
        real: this.output([real.length], "float32", real),
        imag: this.output([imag.length], "float32", imag),
      };
      return;
    }
    const chunk = this.engine.allocate(block.size * bytesPerElement(dtype));
    block.chunk = chunk;
    this.engine.watch(block, chunk);
    if (values !== null) this.#view(chunk, block.size, dtype).set(values as unknown as ArrayLike<number>);
  }

  #view(chunk: Chunk, size: number, dtype: DataType): Float32Array | Int32Array | Uint8Array {
    if (dtype === "int32") return this.engine.ints(chunk, size);
    if (dtype === "bool") return this.engine.bytes(chunk, size);
    return this.engine.floats(chunk, size);
  }

  override write(values: Values | null, shape: number[], dtype: DataType): object {
    const block = new Block(sizeOf(shape), dtype, undefined);
    this.#fill(block, values, dtype);
    return block;
  }

  override move(dataId: object, values: Values, shape: number[], dtype: DataType, refCount: number): void {
    const block = dataId instanceof Block ? dataId : new Block(0, dtype, undefined);
    block.size = sizeOf(shape);
    block.dtype = dtype;
    this.#fill(block, values, dtype);
    block.refs = refCount;
    if (block !== dataId) this.#moved.set(dataId, block);
  }

  /** A fresh tensor; its content is undefined unless values are given. */
  output(shape: readonly number[], dtype: DataType, values: Values | null = null): TensorInfo {
    return { dataId: this.write(values, shape as number[], dtype), shape: shape as number[], dtype };
  }

  /** A fresh complex tensor over two float tensors, whose references it takes over. */
  outputComplex(shape: readonly number[], real: TensorInfo, imag: TensorInfo): TensorInfo {
    const block = new Block(sizeOf(shape), "complex64", undefined);
    block.complex = { real, imag };
    block.owner = this;
    this.#live++;
    return { dataId: block, shape: shape as number[], dtype: "complex64" };
  }

  complexParts(x: TensorInfo): { real: TensorInfo; imag: TensorInfo } {
    return this.#block(x.dataId).complex!;
  }

  /** Another tensor over the same memory. */
  alias(x: TensorInfo, shape: readonly number[] = x.shape, dtype: DataType = x.dtype): TensorInfo {
    this.#block(x.dataId).refs++;
    return { dataId: x.dataId, shape: shape as number[], dtype };
  }

  /** The tensor's own memory, not a copy: for reading small attributes inside kernels; valid until the next allocation. */
  peek(x: TensorInfo): Float32Array | Int32Array | Uint8Array {
    const block = this.#block(x.dataId);
    return this.#view(block.chunk!, block.size, block.dtype);
  }

  override readSync(dataId: object): Values {
    const block = this.#block(dataId);
    if (block.strings !== undefined) return block.strings as unknown as Values;
    if (block.complex !== undefined) {
      const { real, imag } = block.complex;
      return tf.backend_util.mergeRealAndImagArrays(
        this.readSync(real.dataId) as Float32Array,
        this.readSync(imag.dataId) as Float32Array,
      );
    }
    // A copy: the memory may go back to the pool while the caller still holds the array.
    const view = this.#view(block.chunk!, block.size, block.dtype);
    const copy = new (view.constructor as Float32ArrayConstructor)(block.size);
    copy.set(view as Float32Array);
    return copy;
  }

  override async read(dataId: object): Promise<Values> {
    return this.readSync(dataId);
  }

  override disposeData(dataId: object, force = false): boolean {
    const block = dataId instanceof Block ? dataId : this.#moved.get(dataId);
    if (block === undefined || block.refs === 0 || block.owner !== this) return true;
    block.refs--;
    if (!force && block.refs > 0) return false;
    block.refs = 0;
    this.#live--;
    if (block.chunk !== undefined) {
      this.engine.unwatch(block);
      this.engine.release(block.chunk);
      block.chunk = undefined;
    }
    if (block.complex !== undefined) {
      this.disposeData(block.complex.real.dataId);
      this.disposeData(block.complex.imag.dataId);
      block.complex = undefined;
    }
    block.strings = undefined;
    return true;
  }

  /** Frees an intermediate that no tensor was made of. */
  free(...infos: TensorInfo[]): void {
    for (const info of infos) this.disposeData(info.dataId);
  }

  override refCount(dataId: object): number {
    const block = dataId instanceof Block ? dataId : this.#moved.get(dataId);
    return block?.owner === this ? block.refs : 0;
  }
  override incRef(dataId: object): void {
    this.#block(dataId).refs++;
  }
  override numDataIds(): number {
    return this.#live;
  }

  // --- calling kernels -----------------------------------------------------------------------------------------

  /**
   * Runs the C++ kernel `op`. `work` is about the number of floating point operations (or element visits x 8): small ops run on one thread.
   * Tensors among the arguments become pointers, typed arrays are copied to where the kernel can read them, booleans
   * become 0 or 1, null a null pointer. Tensors given here cannot be collected before the kernel is done.
   */
  call(op: string, work: number, ...list: Argument[]): void {
    const engine = this.engine;
    const index = engine.ops.get(op);
    if (index === undefined) {
      throw new Error(
        `Cannot run ${op} as the ${engine.name} engine has no kernel of that name: it was built from older sources than this code. Run \`npm run build\`, then restart.`,
      );
    }
    const args = engine.args;
    if (list.length > args.length) {
      throw new RangeError(`internal: ${op} takes ${list.length} arguments, at most ${args.length} fit`);
    }
    this.pinned = list;
    let staged = 0;
    let extra: Chunk[] | undefined;
    for (let i = 0; i < list.length; i++) {
      const value = list[i];
      if (typeof value === "number") args[i] = value;
      else if (value === null || value === undefined) args[i] = 0;
      else if (typeof value === "boolean") args[i] = value ? 1 : 0;
      else if ("dataId" in value) args[i] = this.#block(value.dataId).chunk!.pointer;
      else {
        const bytes = (value.byteLength + 63) & ~63;
        let chunk = this.#staging;
        let at = staged;
        if (staged + bytes > STAGING_BYTES) {
          chunk = engine.allocate(bytes);
          extra = extra ?? [];
          extra.push(chunk);
          at = 0;
        } else staged += bytes;
        const target = engine.bytes(chunk, at + value.byteLength);
        target.set(new Uint8Array(value.buffer, value.byteOffset, value.byteLength), at);
        args[i] = chunk.pointer + at;
      }
    }
    engine.run(index, work);
    if (extra !== undefined) for (const chunk of extra) engine.release(chunk);
    this.pinned = undefined;
  }

  // --- the rest of the contract ----------------------------------------------------------------------------------

  override timerAvailable(): boolean {
    return true;
  }
  override async time(f: () => void): Promise<tf.BackendTimingInfo> {
    const start = performance.now();
    f();
    return { kernelMs: performance.now() - start };
  }
  override floatPrecision(): 16 | 32 {
    return 32;
  }
  override epsilon(): number {
    return 1e-7;
  }
  override memory(): { unreliable: boolean; reasons: string[]; liveBytes: number; pooledBytes: number } {
    const { live, pooled } = this.engine.memory();
    return {
      unreliable: true,
      reasons: [
        "numTensors and numBytes are upper bounds: tensors that were collected without dispose are still counted. " +
          "liveBytes and pooledBytes are what the engine holds.",
      ],
      liveBytes: live,
      pooledBytes: pooled,
    };
  }
  override dispose(): void {
    this.pinned = undefined;
  }
}

/** The backend in use, if it is one of ours. */
export function engineBackend(): EngineBackend | undefined {
  const backend = tf.backend();
  return backend instanceof EngineBackend ? backend : undefined;
}

export type { Tensor };
