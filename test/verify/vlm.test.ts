/** The vision-language verifier against a local endpoint that behaves, and one that misbehaves. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterEach, describe, expect, test } from "vitest";
import { vlmClient } from "../../src/verify/vlm/client.ts";
import { llmSplitter } from "../../src/verify/vlm/llm-splitter.ts";
import { clarityQuestion, questions, stageQuestions, visionReward } from "../../src/verify/vlm/questions.ts";
import { replayCache } from "../../src/verify/vlm/replay-cache.ts";
import { sampledFrames } from "../../src/verify/vlm/sampled-frames.ts";
import { VerdictError, vlmVerifier } from "../../src/verify/vlm/vlm-verifier.ts";
import { video } from "../../src/video/video.ts";

interface Body {
  readonly logprobs?: boolean;
  readonly messages: {
    role: string;
    content: string | { type: string; text?: string; image_url?: { url: string } }[];
  }[];
}
type Reply = (body: Body, n: number, response: ServerResponse) => unknown;

let server: Server | undefined;
const folders: string[] = [];
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** An endpoint; `reply` returns the answer's text, or an object to merge, or handles the response itself. */
async function endpoint(reply: Reply): Promise<{ baseURL: string; bodies: Body[] }> {
  const bodies: Body[] = [];
  server = createServer(async (request: IncomingMessage, response) => {
    let text = "";
    for await (const part of request) text += part;
    const body = JSON.parse(text) as Body;
    bodies.push(body);
    const answer = await reply(body, bodies.length, response);
    if (answer === undefined) return;
    const [content, logprobs] =
      typeof answer === "string" ? [answer, undefined] : (answer as [string, unknown]);
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify({
        choices: [{ index: 0, message: { role: "assistant", content }, ...(logprobs ? { logprobs } : {}) }],
        usage: { prompt_tokens: 100, completion_tokens: 2 },
      }),
    );
  });
  await new Promise<void>((ready) => server!.listen(0, "127.0.0.1", ready));
  return { baseURL: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, bodies };
}

const temporary = (): string => {
  folders.push(mkdtempSync(join(tmpdir(), "vlm-")));
  return folders.at(-1)!;
};
const clip = (value: number) =>
  video({ numFrames: 5, height: 8, width: 8, data: new Float32Array(5 * 192).fill(value) });
const input = (value = 0.5, stage: "scene" | "motion" | "end" = "end") => ({
  video: clip(value),
  prompt: "a red ball",
  stage,
});
const question = questions('Is "{prompt}" there?');
const textOf = (body: Body) =>
  (body.messages.at(-1)!.content as { type: string; text?: string }[]).find((part) => part.type === "text")!
    .text!;

test("frames go as enlarged JPEGs spread over the clip, the question names the prompt", async () => {
  const { baseURL, bodies } = await endpoint(() => "Yes.");
  const client = vlmClient({ model: "judge", baseURL });
  expect(await vlmVerifier(client, { questions: question, count: 3 }).score([input()])).toEqual([1]);
  const parts = bodies[0]!.messages.at(-1)!.content as { type: string; image_url?: { url: string } }[];
  expect(parts.map((part) => part.type)).toEqual(["image_url", "image_url", "image_url", "text"]);
  expect(textOf(bodies[0]!)).toBe('Is "a red ball" there?');
  const { width, height, format } = await sharp(
    Buffer.from(parts[0]!.image_url!.url.split(",")[1]!, "base64"),
  ).metadata();
  expect([width, height, format]).toEqual([256, 256, "jpeg"]);
  expect(sampledFrames(clip(0), { count: 99 }).numFrames).toBe(5);
});

describe("scores", () => {
  test("probability: P(yes) / (P(yes) + P(no)) of the first token, any spelling", async () => {
    const top_logprobs = [
      { token: " Yes", logprob: Math.log(0.5) },
      { token: "yes", logprob: Math.log(0.1) },
      { token: "No", logprob: Math.log(0.2) },
      { token: "Maybe", logprob: Math.log(0.2) },
    ];
    const { baseURL, bodies } = await endpoint(() => [
      "Yes",
      { content: [{ token: "Yes", logprob: 0, top_logprobs }] },
    ]);
    const [score] = await vlmVerifier(vlmClient({ model: "judge", baseURL }), { questions: question }).score([
      input(),
    ]);
    expect(score).toBeCloseTo(0.6 / 0.8);
    expect(bodies[0]!.logprobs).toBe(true);
  });

  test("answers: VisionReward's 29 weights; all yes is 0.21645", async () => {
    const { baseURL, bodies } = await endpoint(() => "yes");
    const verifier = vlmVerifier(vlmClient({ model: "judge", baseURL }), {
      questions: visionReward(),
      scoring: "answers",
    });
    expect((await verifier.score([input()]))[0]).toBeCloseTo(0.21645, 4);
    expect(bodies).toHaveLength(29);
    const weights = visionReward()
      .of("end")
      .map(({ weight }) => weight);
    expect(weights.slice(0, 3).reduce((a, b) => a + b, 0)).toBeCloseTo(2.35, 2);
  });

  test("answers: stages have their own questions, (#yes - #no) / #questions", async () => {
    const { baseURL } = await endpoint((body) =>
      textOf(body).includes("steady") ? "No, it shakes." : "Yes",
    );
    const verifier = vlmVerifier(vlmClient({ model: "judge", baseURL }), { scoring: "answers" });
    const scores = await verifier.score([input(0, "scene"), input(0, "motion"), input(0, "end")]);
    expect(scores.map((score) => score.toFixed(3))).toEqual(["0.667", "0.500", "1.000"]);
    expect(
      stageQuestions()
        .of("scene")
        .filter(({ text }) => text.includes("{prompt}")),
    ).toHaveLength(1);
    expect(stageQuestions({ withPrompt: true }).of("end")[0]!.text).toContain("{prompt}");
    expect(clarityQuestion().of("scene")[0]!.text).toContain("clear enough");
  });

  test("rating: a number from 0 to 10", async () => {
    const { baseURL } = await endpoint(() => "I would say 7.5 of 10");
    const verifier = vlmVerifier(vlmClient({ model: "judge", baseURL }), { scoring: "rating" });
    expect(await verifier.score([input()])).toEqual([0.75]);
  });
});

describe("misbehaviour", () => {
  test("prose is asked again, then it is an error that keeps the raw answer", async () => {
    const { baseURL } = await endpoint((_, n) => (n < 3 ? "What a lovely clip!" : "no"));
    expect(
      await vlmVerifier(vlmClient({ model: "judge", baseURL }), { questions: question }).score([input()]),
    ).toEqual([0]);
    const prose = await endpoint(() => "As a language model I like all clips.");
    const verdict = vlmVerifier(vlmClient({ model: "judge", baseURL: prose.baseURL }), {
      questions: question,
    }).score([input()]);
    const error = await verdict.catch((reason) => reason as VerdictError);
    expect(error).toBeInstanceOf(VerdictError);
    expect((error as VerdictError).rawAnswer).toBe("As a language model I like all clips.");
    expect((error as VerdictError).message).toContain(
      'Cannot read yes or no from judge\'s answer to "Is "a red ball" there?" in 3 attempts',
    );
    expect(prose.bodies).toHaveLength(3);
  });

  test("429 and 500 are retried", async () => {
    const { baseURL } = await endpoint((_, n, response) => {
      if (n > 2) return "yes";
      response.statusCode = n === 1 ? 429 : 500;
      response.setHeader("retry-after-ms", "5");
      response.end("{}");
      return undefined;
    });
    const client = vlmClient({ model: "judge", baseURL });
    expect(await vlmVerifier(client, { questions: question }).score([input()])).toEqual([1]);
    expect(client.usage()).toMatchObject({ requests: 1, attempts: 3, failures: 0 });
  });

  test("an endpoint that is down, slow, or sends no message is a clear error", async () => {
    const { baseURL } = await endpoint((_, n, response) => {
      if (n === 1) response.end('{"choices": []}');
      return undefined;
    });
    const ask = (timeoutMs?: number) =>
      vlmVerifier(vlmClient({ model: "judge", baseURL, maxRetries: 0, ...(timeoutMs && { timeoutMs }) }), {
        questions: question,
      }).score([input()]);
    // On a busy machine an answer takes its time: only the request that is never answered has a short limit.
    await expect(ask()).rejects.toThrow("it sent no message");
    await expect(ask(60)).rejects.toThrow(
      /Cannot ask judge at http.* after 1 attempts of at most 60 ms: Request timed out\. Check that the endpoint is up/,
    );
    server!.closeAllConnections();
    await new Promise((done) => server!.close(done));
    const retried = vlmClient({ model: "judge", baseURL, maxRetries: 1 });
    await expect(vlmVerifier(retried, { questions: question }).score([input()])).rejects.toThrow(
      "Check that the endpoint is up, or replay a recorded cache.",
    );
    expect(retried.usage()).toMatchObject({ attempts: 2, failures: 1, requests: 0 });
  });

  test("an abort ends waiting", async () => {
    const { baseURL } = await endpoint(() => undefined);
    const stop = new AbortController();
    const running = vlmVerifier(vlmClient({ model: "judge", baseURL }), { questions: question }).score(
      [input()],
      { signal: stop.signal },
    );
    setTimeout(() => stop.abort(new Error("stopped")), 30);
    await expect(running).rejects.toThrow("stopped");
  });
});

test("at most `concurrency` requests are under way, and the meter adds up", async () => {
  let [now, most] = [0, 0];
  // The first three wait for each other, however slow the machine is.
  let areThree = (): void => {};
  const three = new Promise<void>((resolve) => {
    areThree = resolve;
  });
  const { baseURL } = await endpoint(async () => {
    most = Math.max(most, ++now);
    if (now === 3) areThree();
    await three;
    await new Promise((done) => setTimeout(done, 10));
    now--;
    return "yes";
  });
  const client = vlmClient({ model: "judge", baseURL, concurrency: 3, price: { input: 10, output: 20 } });
  await vlmVerifier(client, { questions: question }).score(
    Array.from({ length: 12 }, (_, i) => input(i / 12)),
  );
  expect(most).toBe(3);
  expect(client.usage()).toMatchObject({ requests: 12, inputTokens: 1200, outputTokens: 24 });
  expect(client.usage().cost).toBeCloseTo((1200 * 10 + 24 * 20) / 1e6);
  expect(() => vlmClient({ model: "judge", concurrency: 0 })).toThrow(
    'Cannot ask judge as "concurrency" must be a positive integer: got 0.',
  );
});

test("what was recorded is answered offline, what was not is refused by name", async () => {
  const path = join(temporary(), "deep", "answers.jsonl");
  const { baseURL } = await endpoint((body) => (textOf(body).includes("red") ? "yes" : "no"));
  const recording = vlmClient({ model: "judge", baseURL, cache: replayCache(path) });
  const scores = await vlmVerifier(recording, { questions: question }).score([input(0.1), input(0.2)]);
  const offline = (model = "judge") =>
    vlmClient({
      model,
      fetch: () => Promise.reject(new Error("the network was used")),
      cache: replayCache(path, { mode: "replay" }),
    });
  const replayed = offline();
  expect(await vlmVerifier(replayed, { questions: question }).score([input(0.1), input(0.2)])).toEqual(
    scores,
  );
  expect(replayed.usage()).toMatchObject({ replayed: 2, attempts: 0 });
  await expect(vlmVerifier(replayed, { questions: question }).score([input(0.3)])).rejects.toThrow(
    /Cannot answer "Is "a red ball" there\?" offline as .* has no record [0-9a-f]{12} among its 2/,
  );
  await expect(vlmVerifier(offline("other"), { questions: question }).score([input(0.1)])).rejects.toThrow(
    "offline",
  );
  // A torn last line is forgotten, and the next record does not grow onto it.
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.slice(0, -20));
  const torn = replayCache(path);
  expect(torn.size).toBe(1);
  torn.put("k", { text: "yes", inputTokens: 0, outputTokens: 0 });
  expect(readFileSync(path, "utf8").trim().split("\n").at(-1)).toContain('"key":"k"');
  expect(replayCache(path).size).toBe(2);
  writeFileSync(path, `oops\n${text}`);
  expect(() => replayCache(path)).toThrow("line 1 of");
});

test("a language model splits free text; prose is asked again and then kept in the error", async () => {
  const { baseURL } = await endpoint((_, n) =>
    n === 1
      ? 'Sure! ["a dog before a fence", "the dog jumps over the fence", "the dog stands behind the fence"]'
      : 'Here: [1] ["a bear below a tree", "the bear climbs", "the bear sits in the tree"]',
  );
  const splitter = llmSplitter(vlmClient({ model: "splitter", baseURL }));
  expect(await splitter.split("a bear climbs a tree")).toEqual({
    scene: "a bear below a tree",
    motion: "the bear climbs",
    end: "the bear sits in the tree",
  });
  const prose = await endpoint(() => "There is a bear.");
  await expect(
    llmSplitter(vlmClient({ model: "splitter", baseURL: prose.baseURL })).split("a bear"),
  ).rejects.toThrow(
    'Cannot split "a bear" as splitter did not answer with three strings in 4 attempts: the last was "There is a bear.".',
  );
});
