"""The peer of the engine bench: DiT-ref in PyTorch, given its best setup by the caller's environment.

Reads one work a line on standard input ("train 3": three repetitions) and answers one JSON list of milliseconds.
Works: train, compiled, bf16, forward, sample1, sample16, gemm M N K.
"""

import json
import math
import os
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
            o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
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
compiled = None
fused = {"fused": True} if torch.__version__ >= "2.4" else {"foreach": True}
optimizer = torch.optim.AdamW(eager.parameters(), lr=1e-3, weight_decay=0.01, **fused)


def train(model, bf16=False):
    t = TIME[..., None, None]
    mixed = (1 - t) * DATA + t * NOISE
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
        v = model(mixed, TIME, COS, SIN, MASK)
    loss = ((v.float() - (NOISE - DATA)) ** 2).mean()
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return loss.item()


@torch.no_grad()
def forward():
    return eager(NOISE, TIME, COS, SIN, MASK)


@torch.no_grad()
def sample(batch):
    caches = [[None, None] for _ in range(LAYERS)]
    for f in range(FRAMES):
        x = torch.randn(batch, 1, TOKENS, FEATURES)
        cos, sin = COS[f * TOKENS : (f + 1) * TOKENS], SIN[f * TOKENS : (f + 1) * TOKENS]
        for i in range(16):
            x = x - eager(x, torch.full((batch, 1), 1 - i / 16), cos, sin, None, caches) / 16
        eager(x, torch.zeros(batch, 1), cos, sin, None, caches, True)


def work(words):
    global compiled
    name = words[0]
    if name == "train":
        return lambda: train(eager)
    if name == "bf16":
        return lambda: train(eager, bf16=True)
    if name == "compiled":
        if not hasattr(torch, "compile"):
            return None
        compiled = compiled or torch.compile(eager)
        return lambda: train(compiled)
    if name == "forward":
        return forward
    if name.startswith("sample"):
        return lambda: sample(int(name[6:]))
    m, n, k = (int(word) for word in words[2:5])
    a, b = torch.randn(m, k), torch.randn(n, k)
    return lambda: F.linear(a, b)


print(json.dumps({"torch": torch.__version__, "threads": torch.get_num_threads()}), flush=True)
for line in sys.stdin:
    words = line.split()
    times = []
    try:
        run = work(words)
        for _ in range(int(words[1]) if run else 0):
            start = time.perf_counter()
            run()
            times.append((time.perf_counter() - start) * 1e3)
    except Exception as error:  # a work that this torch lacks is left out of the table
        print(f"{line.strip()}: {error}", file=sys.stderr, flush=True)
    print(json.dumps(times), flush=True)
