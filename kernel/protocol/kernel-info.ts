/** Content of `kernel_info_reply`. */
import { PROTOCOL_VERSION } from "./message.ts";

/** The language as front ends need it: Lab 4 looks `codemirror_mode` up by name, nbconvert uses the extension. */
export const languageInfo = Object.freeze({
  name: "typescript",
  version: "6.0.3",
  mimetype: "application/typescript",
  file_extension: ".ts",
  pygments_lexer: "typescript",
  codemirror_mode: "typescript",
  nbconvert_exporter: "script",
});

export const kernelInfo = (version: string): Record<string, unknown> => ({
  status: "ok",
  protocol_version: PROTOCOL_VERSION,
  implementation: "zoetrope",
  implementation_version: version,
  language_info: languageInfo,
  banner: `Zoetrope ${version}: TypeScript ${languageInfo.version} on Node ${process.versions.node}`,
  help_links: [
    { text: "TypeScript", url: "https://www.typescriptlang.org/docs/" },
    { text: "Node.js", url: "https://nodejs.org/api/" },
  ],
  debugger: false,
  supported_features: [],
});
