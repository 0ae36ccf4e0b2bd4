/**
 * WebGPU under Node: Dawn from the npm package `webgpu`, and tfjs-backend-webgpu on a device with every limit and
 * feature that the adapter has (tfjs itself would ask for less).
 */
import { existsSync, readdirSync } from "node:fs";
import { tf } from "../tf.ts";

export interface WebgpuDevice {
  /** Vendor, architecture and description as the driver gives them. */
  readonly adapter: string;
  readonly isSoftware: boolean;
  readonly maxBufferBytes: number;
}

let opened: WebgpuDevice | undefined;
/** Errors that Dawn reported without throwing: a shader that does not compile gives garbage, not an exception. */
export const webgpuErrors: string[] = [];

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|software|basic render/i;

/** With this set to 1, a machine without a GPU runs webgpu on Chromium's SwiftShader: correct, slow, for tests. */
const SOFTWARE_VARIABLE = "ZOETROPE_SOFTWARE_GPU";

/** Where browsers keep the manifest of SwiftShader, the Vulkan driver in software that they bring along. */
const SWIFTSHADER_MANIFESTS = [
  "/usr/lib/chromium",
  "/usr/lib64/chromium",
  "/usr/lib/chromium-browser",
  "/usr/lib64/chromium-browser",
  "/opt/google/chrome",
].map((folder) => `${folder}/vk_swiftshader_icd.json`);

/** On Linux a GPU has a node in /dev; asking Dawn where there is none starts a software driver that talks on stderr. */
function hasGpuNode(): boolean {
  if (process.platform !== "linux") return true;
  if (existsSync("/dev/nvidia0") || existsSync("/dev/dxg")) return true;
  return existsSync("/dev/dri") && readdirSync("/dev/dri").some((name) => name.startsWith("renderD"));
}

/** Opens the GPU once and registers the backend "webgpu". */
export async function openWebgpu({ mustBeHardware = false } = {}): Promise<WebgpuDevice> {
  if (mustBeHardware && opened === undefined && !hasGpuNode()) {
    throw new Error("no GPU in /dev (dri/renderD*, nvidia0, dxg)");
  }
  opened ??= await open();
  if (mustBeHardware && opened.isSoftware) throw new Error(`only a software adapter (${opened.adapter})`);
  return opened;
}

/** The fastest adapter; without one, SwiftShader where it was asked for. */
async function findAdapter(
  create: typeof import("webgpu").create,
): Promise<{ gpu: GPU; adapter: GPUAdapter }> {
  const flags = ["enable-dawn-features=allow_unsafe_apis,vulkan_enable_f16_on_nvidia"];
  const look = async () => {
    const gpu = create(flags);
    return { gpu, adapter: await gpu.requestAdapter({ powerPreference: "high-performance" }) };
  };
  const wanted = process.env[SOFTWARE_VARIABLE] === "1";
  const manifest = wanted ? SWIFTSHADER_MANIFESTS.find(existsSync) : undefined;
  // The Vulkan loader reads the variable when an instance is made; drivers that talk on stderr are not even asked.
  if (manifest !== undefined && !hasGpuNode()) process.env["VK_DRIVER_FILES"] ??= manifest;
  let { gpu, adapter } = await look();
  if (adapter === null && manifest !== undefined && process.env["VK_DRIVER_FILES"] === undefined) {
    process.env["VK_DRIVER_FILES"] = manifest;
    ({ gpu, adapter } = await look());
  }
  if (adapter !== null) return { gpu, adapter };
  const remedy = wanted
    ? "install chromium, which has one in software"
    : `set ${SOFTWARE_VARIABLE}=1 for one in software`;
  throw new Error(`no Vulkan, Metal or D3D12 adapter; ${remedy}`);
}

async function open(): Promise<WebgpuDevice> {
  const { create, globals } = await import("webgpu");
  Object.assign(globalThis, globals);
  const { gpu, adapter } = await findAdapter(create);
  // tfjs looks for navigator.gpu; Node 20 has no navigator, later ones have one without gpu.
  if (!("navigator" in globalThis))
    Object.defineProperty(globalThis, "navigator", { value: {}, configurable: true });
  if (!("gpu" in globalThis.navigator))
    Object.defineProperty(globalThis.navigator, "gpu", { value: gpu, configurable: true });
  const { RepairedWebgpuBackend } = await import("./backend.ts");
  const { registerShaders } = await import("./shaders.ts");
  const limits: Record<string, number> = {};
  for (const name of [
    "maxBufferSize",
    "maxStorageBufferBindingSize",
    "maxComputeWorkgroupStorageSize",
    "maxComputeInvocationsPerWorkgroup",
    "maxComputeWorkgroupSizeX",
    "maxComputeWorkgroupsPerDimension",
    "maxStorageBuffersPerShaderStage",
  ] as const) {
    const value = adapter.limits[name as keyof GPUSupportedLimits];
    if (typeof value === "number") limits[name] = value;
  }
  const wanted = ["timestamp-query", "bgra8unorm-storage", "shader-f16", "subgroups"];
  const device = await adapter.requestDevice({
    requiredLimits: limits,
    requiredFeatures: wanted.filter((name) => adapter.features.has(name)) as GPUFeatureName[],
  });
  device.onuncapturederror = (event: GPUUncapturedErrorEvent) => webgpuErrors.push(event.error.message);
  const { info } = adapter;
  // The package registers itself where it sees a browser; removing what is not there throws.
  if (tf.findBackendFactory("webgpu")) tf.removeBackend("webgpu");
  tf.registerBackend("webgpu", () => new RepairedWebgpuBackend(device, info), 0);
  registerShaders();
  const name = [info.vendor, info.architecture, info.description].filter(Boolean).join(" ");
  return {
    adapter: name,
    isSoftware: SOFTWARE.test(name),
    maxBufferBytes: device.limits.maxBufferSize,
  };
}
