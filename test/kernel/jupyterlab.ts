/**
 * A real JupyterLab in a real browser, for tests and for pictures of notebooks: starts the server the way `lab` does,
 * opens notebooks in headless Chromium, and drives them as a user would.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { findChromium } from "../../kernel/cli/doctor.ts";
import { findJupyterLab, startLab } from "../../kernel/cli/lab.ts";
import { freePorts } from "../../kernel/client/free-ports.ts";
import { packageRoot } from "../../kernel/package-root.ts";

/** Where pictures go; ignored by git, kept by CI. */
export const artefacts: string = join(packageRoot, "artefacts");

export interface JupyterLab {
  readonly url: string;
  /** The folder that the server shows: notebooks are put here. */
  readonly folder: string;
  /** Opens a notebook, given relative to the folder, and waits until its kernel is ready. */
  open(path: string, options?: OpenOptions): Promise<NotebookPage>;
  /** What the server wrote so far. */
  log(): string;
  close(): Promise<void>;
}

export interface OpenOptions {
  readonly width?: number;
  readonly height?: number;
  /** Pixels per CSS pixel, 2 for pictures that go into documents. Default 1. */
  readonly scale?: number;
  /** Hide the file browser, the right side bar and the status bar. Default true. */
  readonly isSimple?: boolean;
}

export interface NotebookPage {
  readonly page: Page;
  /** Runs a JupyterLab command, e.g. "notebook:run-all-cells". Does not wait for cells. */
  command(id: string, args?: object): Promise<void>;
  runAll(): Promise<void>;
  /** Waits until the kernel is idle and no cell waits any more. */
  idle(timeout?: number): Promise<void>;
  /** Text of each code cell's outputs, as shown. */
  outputs(): Promise<string[]>;
  save(): Promise<void>;
  /** PNG of the window into artefacts/<name>.png; its path. */
  screenshot(name: string): Promise<string>;
  /** Makes the window so high that the whole notebook is in sight, up to `limit` pixels. */
  unroll(limit?: number): Promise<void>;
  close(): Promise<void>;
}

/** Starts server and browser; without Python, JupyterLab or Chromium the reason to skip with. */
export async function startJupyterLab({
  folder,
  onProgress,
}: {
  readonly folder?: string;
  readonly onProgress?: (sentence: string) => void;
} = {}): Promise<JupyterLab | { readonly reason: string }> {
  const executablePath = await findChromium();
  if (executablePath === undefined)
    return {
      reason:
        "Cannot show JupyterLab as it needs a browser: no Chromium is on PATH. Install it (Debian, Ubuntu: apt install chromium).",
    };
  const command = await findJupyterLab(onProgress);
  if ("reason" in command) return command;

  const home = mkdtempSync(join(tmpdir(), "zoetrope-lab-home-"));
  const shown = folder ?? join(home, "notebooks");
  const settings = {
    "apputils-extension/notification": { fetchNews: "false", checkForUpdates: false },
    // All cells are in the page, also those that are scrolled out of sight.
    "notebook-extension/tracker": { windowingMode: "none" },
  };
  for (const [name, values] of Object.entries(settings)) {
    const file = join(home, "settings/@jupyterlab", `${name}.jupyterlab-settings`);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify(values));
  }
  const [port] = await freePorts(1);
  const server = startLab(command, {
    folder: shown,
    stdio: "pipe",
    args: [
      "--no-browser",
      "--ServerApp.ip=127.0.0.1",
      `--ServerApp.port=${port}`,
      "--ServerApp.port_retries=0",
      "--IdentityProvider.token=",
      "--ServerApp.password=",
      "--ServerApp.disable_check_xsrf=True",
      "--LabApp.expose_app_in_browser=True",
      "--ServerApp.terminals_enabled=False",
    ],
    env: {
      JUPYTER_CONFIG_DIR: join(home, "config"),
      JUPYTER_DATA_DIR: join(home, "data"),
      JUPYTER_RUNTIME_DIR: join(home, "runtime"),
      JUPYTERLAB_SETTINGS_DIR: join(home, "settings"),
      JUPYTERLAB_WORKSPACES_DIR: join(home, "workspaces"),
      IPYTHONDIR: join(home, "ipython"),
    },
  });
  const words: string[] = [];
  server.process.stdout?.on("data", (chunk: Buffer) => words.push(chunk.toString("utf8")));
  server.process.stderr?.on("data", (chunk: Buffer) => words.push(chunk.toString("utf8")));
  const log = () => words.join("");
  const url = `http://127.0.0.1:${port}`;
  let browser: Browser | undefined;
  const close = async () => {
    await browser?.close();
    const ended = new Promise((resolve) => server.process.once("exit", resolve));
    server.dispose();
    if (server.process.exitCode === null) await Promise.race([ended, wait(5000)]);
    rmSync(home, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    await answering(`${url}/api`, server.process, log);
    browser = await chromium.launch({
      executablePath,
      headless: true,
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--autoplay-policy=no-user-gesture-required",
      ],
    });
  } catch (error) {
    await close();
    throw error;
  }
  const started = browser;
  return Object.freeze({
    url,
    folder: shown,
    log,
    close,
    open: (path: string, options?: OpenOptions) => openNotebook(started, url, path, options),
  });
}

async function openNotebook(
  browser: Browser,
  url: string,
  path: string,
  { width = 1280, height = 900, scale = 1, isSimple = true }: OpenOptions = {},
): Promise<NotebookPage> {
  const context = await browser.newContext({ viewport: { width, height }, deviceScaleFactor: scale });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  await page.goto(`${url}/lab/tree/${path}?reset`);
  await page.waitForSelector(".jp-NotebookPanel .jp-Notebook .jp-Cell");
  const command = async (id: string, args: object = {}) => {
    await page.evaluate(([name, given]) => void labApp().commands.execute(name, given), [id, args] as const);
  };
  // Scripts inside the page see the application object that expose_app_in_browser puts there.
  await page.addScriptTag({ content: "function labApp() { return window.jupyterapp; }" });
  await page.waitForFunction(
    () => labApp().shell.currentWidget?.sessionContext?.session?.kernel?.status === "idle",
  );
  if (isSimple) {
    await page.evaluate(() => {
      labApp().shell.collapseLeft();
      labApp().shell.collapseRight();
    });
  }

  const isIdle = () =>
    page.evaluate(
      () =>
        labApp().shell.currentWidget?.sessionContext?.session?.kernel?.status === "idle" &&
        ![...document.querySelectorAll(".jp-CodeCell .jp-InputPrompt")].some((prompt) =>
          prompt.textContent?.includes("[*]"),
        ),
    );
  const idle = async (timeout = 120_000) => {
    // Between two cells the kernel is idle for a moment: only what lasts counts.
    let lasted = 0;
    for (const deadline = Date.now() + timeout; lasted < 4; await wait(150)) {
      lasted = (await isIdle()) ? lasted + 1 : 0;
      if (Date.now() > deadline)
        throw new Error(`Cannot go on: the kernel was not idle within ${timeout / 1000} s.`);
    }
  };
  return Object.freeze({
    page,
    command,
    idle,
    async runAll() {
      await command("notebook:run-all-cells");
      await page.waitForFunction(() =>
        /\[(\*|\d+)\]/.test(document.querySelector(".jp-CodeCell .jp-InputPrompt")?.textContent ?? ""),
      );
    },
    outputs: () =>
      page.evaluate(() =>
        [...document.querySelectorAll(".jp-CodeCell")].map(
          (cell) => cell.querySelector<HTMLElement>(".jp-Cell-outputArea")?.textContent ?? "",
        ),
      ),
    save: () =>
      page.evaluate(() =>
        labApp()
          .commands.execute("docmanager:save")
          .then(() => undefined),
      ),
    async screenshot(name: string) {
      const file = join(artefacts, `${name}.png`);
      mkdirSync(dirname(file), { recursive: true });
      await page.screenshot({ path: file });
      return file;
    },
    async unroll(limit = 8000) {
      const needed = await page.evaluate(() => {
        const outer = document.querySelector(".jp-NotebookPanel-notebook .jp-WindowedPanel-outer");
        const last = [...document.querySelectorAll(".jp-Notebook .jp-Cell")].at(-1);
        if (outer === null || last === undefined) return 0;
        outer.scrollTop = 0;
        return last.getBoundingClientRect().bottom - outer.getBoundingClientRect().bottom + 40;
      });
      await page.setViewportSize({ width, height: Math.min(limit, Math.ceil(height + Math.max(0, needed))) });
    },
    close: () => context.close(),
  });
}

/** The part of JupyterLab's application object that is used here; lives in the page. */
declare function labApp(): {
  readonly commands: { execute(id: string, args?: object): Promise<unknown> };
  readonly shell: {
    readonly currentWidget?: {
      readonly sessionContext?: { readonly session?: { readonly kernel?: { readonly status: string } } };
    };
    collapseLeft(): void;
    collapseRight(): void;
  };
};

async function answering(
  address: string,
  server: { readonly exitCode: number | null },
  log: () => string,
): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; await wait(150)) {
    if (server.exitCode !== null) break;
    try {
      if ((await fetch(address)).ok) return;
    } catch {
      // not yet
    }
  }
  throw new Error(`Cannot reach JupyterLab at ${address}. It said:\n${log()}`);
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
