"""The peer of the engine bench: DiT-ref in PyTorch, given its best set-up by the caller's environment.

Answers lines of JSON {"kind", "work", "repeat"} with {"ms": [...]} or {"error": why} (protocol of `peer.ts`).
Kinds: fp32, compiled (torch.compile), bf16 (autocast), bf16-compiled (both), bf16-products (float32 tensors, products in
bf16 by oneDNN). Works: train, train products, forward, sample B, gemm M N K, add.
"""

import json
import math
import os
import resource
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(int(os.environ.get("THREADS", "2")))
torch.manual_seed(0)
WIDTH, LAYERS, HEADS, FRAMES, TOKENS, FEATURES, BATCH = 192, 6, 6, 16, 16, 16, 16
HEAD = WIDTH // HEADS
FLASH = hasattr(F, "scaled_dot_product_attention")
MODERN = hasattr(torch, "compile")


def rope(x, cos, sin):
    a, b = x[..., : HEAD // 2], x[..., HEAD // 2 :]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH)
        self.proj = nn.Linear(WIDTH, WIDTH)
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.down = nn.Linear(4 * WIDTH, WIDTH)
        self.ada = nn.Linear(WIDTH, 6 * WIDTH)
        nn.init.normal_(self.ada.weight, std=0.02)

    def forward(self, x, c, cos, sin, mask, cache=None, write=False):
        batch, frames, tokens, _ = x.shape
        shift1, scale1, gate1, shift2, scale2, gate2 = self.ada(c).unsqueeze(2).chunk(6, -1)
        h = F.layer_norm(x, (WIDTH,)) * (1 + scale1) + shift1
        q, k, v = self.qkv(h).view(batch, frames * tokens, 3, HEADS, HEAD).permute(2, 0, 3, 1, 4)
        q, k = rope(q, cos, sin), rope(k, cos, sin)
        if cache is not None:
            if cache[0] is not None:
                k, v = torch.cat([cache[0], k], 2), torch.cat([cache[1], v], 2)
            if write:
                cache[0], cache[1] = k, v
        if FLASH:
            # Autocast leaves the rotated q and k in float32 (the tables are); one kernel wants one type.
            o = F.scaled_dot_product_attention(q.to(v.dtype), k.to(v.dtype), v, attn_mask=mask)
        else:
            scores = (q @ k.transpose(-1, -2)) * HEAD**-0.5
            o = F.softmax(scores if mask is None else scores + mask, -1) @ v
        x = x + gate1 * self.proj(o.transpose(1, 2).reshape(batch, frames, tokens, WIDTH))
        h = F.layer_norm(x, (WIDTH,)) * (1 + scale2) + shift2
        return x + gate2 * self.down(F.gelu(self.up(h), approximate="tanh"))


class DitRef(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Linear(FEATURES, WIDTH)
        self.position = nn.Parameter(torch.randn(TOKENS, WIDTH) * 0.02)
        self.time1, self.time2 = nn.Linear(128, WIDTH), nn.Linear(WIDTH, WIDTH)
        self.blocks = nn.ModuleList([Block() for _ in range(LAYERS)])
        self.ada_out, self.out = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(WIDTH, FEATURES)

    def forward(self, x, t, cos, sin, mask, caches=None, write=False):
        rates = torch.exp(-math.log(1e4) * torch.arange(64) / 64)
        angle = t.unsqueeze(-1) * 1000 * rates
        c = F.silu(self.time2(F.silu(self.time1(torch.cat([angle.cos(), angle.sin()], -1)))))
        h = self.inp(x) + self.position
        for i, block in enumerate(self.blocks):
            h = block(h, c, cos, sin, mask, None if caches is None else caches[i], write)
        shift, scale = self.ada_out(c).unsqueeze(2).chunk(2, -1)
        return self.out(F.layer_norm(h, (WIDTH,)) * (1 + scale) + shift)


eager = DitRef()
angles = (torch.arange(FRAMES * TOKENS).float() // TOKENS)[:, None] * 1e4 ** (-torch.arange(HEAD // 2) / (HEAD // 2))
COS, SIN = angles.cos(), angles.sin()
frame = torch.arange(FRAMES * TOKENS) // TOKENS
MASK = torch.where(frame[:, None] >= frame[None, :], 0.0, -1e9)
DATA, NOISE = torch.randn(BATCH, FRAMES, TOKENS, FEATURES), torch.randn(BATCH, FRAMES, TOKENS, FEATURES)
TIME = torch.rand(BATCH, FRAMES)
fused = {"fused": True} if MODERN else {"foreach": True}
optimizer = torch.optim.AdamW(eager.parameters(), lr=1e-3, weight_decay=0.01, **fused)
compiled = None
CAST = ("bf16", "bf16-compiled")


def network(kind):
    global compiled
    if not kind.endswith("compiled"):
        return eager
    compiled = compiled or torch.compile(eager)
    return compiled


def autocast(kind):
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=kind in CAST)


def mask_of(kind):
    return MASK.bfloat16() if FLASH and kind in CAST else MASK


def train(kind):
    model, t = network(kind), TIME[..., None, None]
    mask = mask_of(kind)

    def step():
        mixed = (1 - t) * DATA + t * NOISE
        with autocast(kind):
            v = model(mixed, TIME, COS, SIN, mask)
        loss = ((v.float() - (NOISE - DATA)) ** 2).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def forward(kind):
    model = network(kind)
    mask = mask_of(kind)

    def run():
        with torch.inference_mode(), autocast(kind):
            return model(NOISE, TIME, COS, SIN, mask)

    return run


def sample(kind, batch):
    def run():
        with torch.inference_mode(), autocast(kind):
            caches = [[None, None] for _ in range(LAYERS)]
            for f in range(FRAMES):
                x = torch.randn(batch, 1, TOKENS, FEATURES)
                cos, sin = COS[f * TOKENS : (f + 1) * TOKENS], SIN[f * TOKENS : (f + 1) * TOKENS]
                for i in range(16):
                    x = x - eager(x, torch.full((batch, 1), 1 - i / 16), cos, sin, None, caches) / 16
                eager(x, torch.zeros(batch, 1), cos, sin, None, caches, True)

    return run


def step_products(dtype):
    """All products of a train step: count, rows, inputs, outputs as STEP_PRODUCTS in `works.ts`."""
    layers = [(24, 4096, 192, 192), (6, 4096, 192, 768), (6, 4096, 768, 192), (6, 256, 192, 1152)]
    made = [
        (n, torch.randn(r, i, dtype=dtype), torch.randn(o, i, dtype=dtype), torch.randn(r, o, dtype=dtype))
        for n, r, i, o in layers
    ]

    def run():
        for count, x, w, dy in made:
            for _ in range(count):
                x @ w.T, dy @ w, dy.T @ x

    return run


def gemm(dtype, m, n, k):
    a, b = torch.randn(m, k, dtype=dtype), torch.randn(n, k, dtype=dtype)
    return lambda: F.linear(a, b)


def make(kind, name):
    if kind.endswith("compiled") and (not MODERN or name != "train"):
        raise NotImplementedError("this torch has no torch.compile" if not MODERN else "measured eagerly")
    if kind == "bf16-products" and (not MODERN or name != "train"):
        raise NotImplementedError("measured by autocast")
    word, *sizes = name.split(" ")
    dtype = torch.bfloat16 if kind == "bf16" else torch.float32
    if name == "train":
        return train(kind)
    if name == "train products":
        return step_products(dtype)
    if word == "forward":
        return forward(kind)
    if word == "sample":
        return sample(kind, int(sizes[0]))
    if word == "gemm":
        return gemm(dtype, *map(int, sizes))
    if word == "add" and kind == "fp32":
        a = torch.randn(64, 64)
        return lambda: a + a
    raise NotImplementedError("not measured")


works = {}


def answer(kind, work, repeat):
    if kind == "peak bytes":
        return [resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]
    if MODERN:
        torch.set_float32_matmul_precision("medium" if kind == "bf16-products" else "highest")
    run = works.get((kind, work)) or works.setdefault((kind, work), make(kind, work))
    start = time.perf_counter()
    for _ in range(repeat):
        run()
    return [(time.perf_counter() - start) * 1e3 / repeat]


blas = "mkl" if "BLAS_INFO=mkl" in torch.__config__.show() else "blas"
print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads(), "blas": blas}), flush=True)
for line in sys.stdin:
    try:
        reply = {"ms": answer(**json.loads(line))}
    except Exception as error:  # the bench goes on without this work
        reply = {"error": (str(error).strip().splitlines() or [repr(error)])[0]}
    print(json.dumps(reply), flush=True)
