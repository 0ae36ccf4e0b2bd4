/** What blanking types cannot do: syntax that the compiler has to emit, and its output with the way back. */
import type TS from "typescript";
import ts from "./typescript.ts";

export interface EmitOptions {
  /** The older decorators of TypeScript, as a project's tsconfig may ask for. */
  readonly experimentalDecorators?: boolean;
  readonly emitDecoratorMetadata?: boolean;
}

export interface Emitted {
  readonly script: string;
  /** Version 3, JSON. */
  readonly sourceMap: string;
}

/** JavaScript that V8 of Node 20 does not know yet: `using`, `await using`, decorators, `accessor`. */
export function isBeyondNode(node: TS.Node): boolean {
  if (ts.isVariableDeclarationList(node)) return (node.flags & ts.NodeFlags.Using) !== 0;
  if (ts.isAutoAccessorPropertyDeclaration(node)) return true;
  return ts.canHaveDecorators(node) && (ts.getDecorators(node)?.length ?? 0) > 0;
}

/** As `isBeyondNode`, of anything in a file. */
export function holdsSyntaxBeyondNode(source: TS.SourceFile): boolean {
  const visit = (node: TS.Node): boolean => isBeyondNode(node) || (ts.forEachChild(node, visit) ?? false);
  return visit(source);
}

/** The compiler's JavaScript of `text`, without the comment that names its source map. */
export function emit(text: string, fileName: string, options: EmitOptions = {}): Emitted {
  const { outputText, sourceMapText } = ts.transpileModule(text, {
    fileName,
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleDetection: ts.ModuleDetectionKind.Force,
      jsx: ts.JsxEmit.ReactJSX,
      experimentalDecorators: options.experimentalDecorators ?? false,
      emitDecoratorMetadata: options.emitDecoratorMetadata ?? false,
      useDefineForClassFields: !options.experimentalDecorators,
      preserveConstEnums: true,
      sourceMap: true,
    },
  });
  return {
    script: outputText.replace(/^\/\/# sourceMappingURL=.*$/m, ""),
    sourceMap: sourceMapText ?? "",
  };
}
