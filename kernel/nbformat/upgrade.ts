/**
 * Format 3 (IPython 1-2) -> format 4: worksheets are flattened, headings become Markdown, `input`, `prompt_number`,
 * `pyout`, `pyerr` and the short media names get their later names. Fields follow Jupyter's own upgrade.
 */
import { isJsonObject, type Json, type JsonObject } from "./notebook.ts";

const mediaTypeOf: { readonly [shortName: string]: string } = {
  text: "text/plain",
  html: "text/html",
  svg: "image/svg+xml",
  png: "image/png",
  jpeg: "image/jpeg",
  latex: "text/latex",
  json: "application/json",
  javascript: "application/javascript",
};

/** A new format 4 object (lines still unjoined, ids still missing); what cannot be understood is named in `notes`. */
export function upgradeFrom3(old: JsonObject, notes: string[]): JsonObject {
  const {
    name: _name,
    signature: _signature,
    ...metadata
  } = isJsonObject(old["metadata"]) ? old["metadata"] : {};
  const worksheets = Array.isArray(old["worksheets"]) ? old["worksheets"] : [];
  if (worksheets.length > 1) notes.push(`${worksheets.length} worksheets were put one after the other`);
  const cells = worksheets.flatMap((sheet) =>
    isJsonObject(sheet) && Array.isArray(sheet["cells"]) ? sheet["cells"].map(upgradeCell) : [],
  );
  return { nbformat: 4, nbformat_minor: 5, metadata: { ...metadata, orig_nbformat: 3 }, cells };
}

function upgradeCell(cell: Json): Json {
  if (!isJsonObject(cell)) return cell;
  const metadata: JsonObject = isJsonObject(cell["metadata"]) ? { ...cell["metadata"] } : {};
  switch (cell["cell_type"]) {
    case "code": {
      if (typeof cell["collapsed"] === "boolean") metadata["collapsed"] = cell["collapsed"];
      const outputs = Array.isArray(cell["outputs"]) ? cell["outputs"].map(upgradeOutput) : [];
      const source = cell["input"] ?? "";
      return { cell_type: "code", metadata, source, execution_count: cell["prompt_number"] ?? null, outputs };
    }
    case "heading": {
      const level =
        typeof cell["level"] === "number" ? Math.min(6, Math.max(1, Math.trunc(cell["level"]))) : 1;
      const source = Array.isArray(cell["source"]) ? cell["source"].join("") : String(cell["source"] ?? "");
      const title = source.split(/\r?\n/).join(" ").trim();
      return { cell_type: "markdown", metadata, source: `${"#".repeat(level)} ${title}` };
    }
    case "html":
      return { cell_type: "markdown", metadata, source: cell["source"] ?? "" };
    default:
      return { ...cell, metadata };
  }
}

function upgradeOutput(output: Json): Json {
  if (!isJsonObject(output)) return output;
  switch (output["output_type"]) {
    case "pyerr":
      return {
        output_type: "error",
        ename: output["ename"] ?? "",
        evalue: output["evalue"] ?? "",
        traceback: output["traceback"] ?? [],
      };
    case "stream":
      return { output_type: "stream", name: output["stream"] ?? "stdout", text: output["text"] ?? "" };
    case "pyout":
    case "display_data": {
      const { output_type: kind, prompt_number: count, metadata, ...media } = output;
      const data: JsonObject = {};
      for (const [name, value] of Object.entries(media)) {
        const mediaType = mediaTypeOf[name] ?? name;
        data[mediaType] = name === "json" && !isJsonObject(value) ? parsed(value) : value;
      }
      const described = { data, metadata: isJsonObject(metadata) ? metadata : {} };
      return kind === "pyout"
        ? { output_type: "execute_result", execution_count: count ?? null, ...described }
        : { output_type: "display_data", ...described };
    }
    default:
      return output;
  }
}

/** Format 3 kept JSON as text. */
function parsed(value: Json): Json {
  const text = Array.isArray(value) ? value.join("") : value;
  if (typeof text !== "string") return value;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
