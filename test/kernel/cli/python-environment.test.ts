import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { pythonEnvironment } from "../../../kernel/cli/python-environment.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "zoetrope-python-"));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

describe("pythonEnvironment", () => {
  it("says why there is none where Python is missing or too old", async () => {
    vi.stubEnv("PATH", folder);
    const none = await pythonEnvironment({ folder: join(folder, "env") });
    expect(none.environment).toBeUndefined();
    expect(none.reason).toContain("needs Python >= 3.10: none is on PATH. Install Python");
    writeFileSync(join(folder, "python3"), "#!/bin/sh\necho 3.6.9\n", { mode: 0o755 });
    expect((await pythonEnvironment({ folder: join(folder, "env") })).reason).toContain(
      "only 3.6.9 is on PATH",
    );
  });

  it("names the missing venv module, and leaves nothing half-made", async () => {
    const script =
      '#!/bin/sh\ncase "$1" in -c) echo 3.11.2;; *) echo "ensurepip is not available" >&2; exit 1;; esac\n';
    writeFileSync(join(folder, "python3"), script, { mode: 0o755 });
    vi.stubEnv("PATH", `${folder}:/bin:/usr/bin`);
    const target = join(folder, "env");
    mkdirSync(target);
    const { reason } = await pythonEnvironment({ folder: target });
    expect(reason).toContain("apt install python3-venv");
    // The folder, its lock and its marker are all gone: the next attempt starts afresh.
    expect((await pythonEnvironment({ folder: target })).environment).toBeUndefined();
  });

  it("makes an environment once: the second call, and one at the same time, do nothing", async () => {
    // A Python that makes the folders of an environment and installs nothing.
    const script = [
      "#!/bin/sh",
      'case "$2" in',
      '  venv) mkdir -p "$3/bin"; printf "#!/bin/sh\\nexit 0\\n" > "$3/bin/python"; chmod +x "$3/bin/python";;',
      "  *) echo 3.11.2;;",
      "esac",
    ];
    writeFileSync(join(folder, "python3"), `${script.join("\n")}\n`, { mode: 0o755 });
    vi.stubEnv("PATH", `${folder}:/bin:/usr/bin`);
    const requirements = join(folder, "requirements.txt");
    writeFileSync(requirements, "# nothing\n");
    const said: string[] = [];
    const onProgress = (sentence: string) => said.push(sentence);
    const options = { folder: join(folder, "env"), requirements, onProgress };
    const both = await Promise.all([pythonEnvironment(options), pythonEnvironment(options)]);
    expect(both.map(({ reason }) => reason)).toEqual([undefined, undefined]);
    expect(said).toHaveLength(1);
    expect((await pythonEnvironment(options)).environment!.folder).toBe(options.folder);
    expect(said).toHaveLength(1);
    // A newcomer's JupyterLab does not ask for leave to fetch news.
    const overrides = readFileSync(join(options.folder, "share/jupyter/lab/settings/overrides.json"), "utf8");
    expect(JSON.parse(overrides)["@jupyterlab/apputils-extension:notification"].fetchNews).toBe("false");
    writeFileSync(requirements, "# changed\n");
    await pythonEnvironment(options);
    expect(said).toHaveLength(2);
  });
});
