export declare const SECTION: string;
export declare function wasmSourceHash(): string;
export declare function buildWasm(): number;
