/**
 * The provenance as RO-Crate 1.1 JSON-LD (Process Run Crate 0.5): the report is the result of a CreateAction whose
 * instrument is this software at its commit and whose objects are the inputs, so that archives understand it.
 */
import type { Payload } from "./payload.ts";

export function roCrate(payload: Payload): object {
  const { code, machine } = payload;
  const inputs = payload.runs.flatMap((run) => run.inputs);
  const runs = payload.runs.map((run) => ({
    "@id": `#run-${run.id}`,
    "@type": "CreateAction",
    name: run.name,
    startTime: run.created,
    instrument: { "@id": "#software" },
    object: run.inputs.map((input) => ({ "@id": `#sha256-${input.sha256}` })),
    description: `config sha256 ${run.configHash}; seeds ${run.seeds.join(", ") || "none listed"}; NFE ${run.ledger["nfe"] ?? 0}`,
  }));
  return {
    "@context": ["https://w3id.org/ro/crate/1.1/context", "https://w3id.org/ro/terms/workflow-run/context"],
    "@graph": [
      {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        about: { "@id": "./" },
        conformsTo: [
          { "@id": "https://w3id.org/ro/crate/1.1" },
          { "@id": "https://w3id.org/ro/wfrun/process/0.5" },
        ],
      },
      {
        "@id": "./",
        "@type": "Dataset",
        name: payload.title,
        description: `Report with ${payload.figures.length} figures and ${payload.claims.length} claims.`,
        datePublished: payload.created,
        license: "https://spdx.org/licenses/Apache-2.0",
        hasPart: [{ "@id": payload.fileName }],
        mentions: [{ "@id": "#report" }, ...runs.map((run) => ({ "@id": run["@id"] }))],
      },
      { "@id": payload.fileName, "@type": "File", name: payload.title, encodingFormat: "text/html" },
      {
        "@id": "#software",
        "@type": "SoftwareApplication",
        name: "Zoetrope",
        softwareVersion:
          code.commit === null
            ? code.version
            : `${code.version} (${code.commit}${code.isDirty ? ", changed" : ""})`,
        softwareRequirements: `Node ${machine.node}; lock file sha256 ${code.lockfileHash ?? "absent"}`,
        operatingSystem: machine.os,
        processorRequirements: `${machine.cpu}, ${machine.cores} cores`,
      },
      {
        "@id": "#report",
        "@type": "CreateAction",
        name: `Make ${payload.title}`,
        endTime: payload.created,
        instrument: { "@id": "#software" },
        object: runs.map((run) => ({ "@id": run["@id"] })),
        result: { "@id": payload.fileName },
      },
      ...runs,
      ...inputs.map((input) => ({
        "@id": `#sha256-${input.sha256}`,
        "@type": "File",
        name: input.path,
        sha256: input.sha256,
      })),
    ],
  };
}
