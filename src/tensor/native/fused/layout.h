// Moves of whole rows: key/value caches, mean keys, patches.
#pragma once
#include "../bf16.h"
#include "lanes.h"

namespace ZT_NS {

// batch, heads, capacity, n, d (of a head), at, cache [batch][heads][capacity][d], rows [batch][n][heads][d], whether to read:
// rows into the cache from token `at` on, or those tokens of the cache into rows.
static void cache_rows(const double* x, Team& team) {
  const long batch = (long)x[0], heads = (long)x[1], capacity = (long)x[2], n = (long)x[3], d = (long)x[4], at = (long)x[5];
  float *cache = ptr<float>(x[6]), *rows = ptr<float>(x[7]);
  const bool reads = x[8] != 0;
  long from, to;
  team.range(batch * n, from, to);
  for (long i = from; i < to; i++)
    for (long h = 0; h < heads; h++) {
      float *held = cache + ((i / n * heads + h) * capacity + at + i % n) * d, *row = rows + (i * heads + h) * d;
      const float* in = reads ? held : row;
      float* out = reads ? row : held;
      for_lanes(d, [&](long j, long w) { store_n(out + j, load_n(in + j, w), w); });
    }
}

// numbers (even), floats, bf16
static void pack_bf16(const double* x, Team& team) {
  const long n = (long)x[0];
  const float* in = ptr<const float>(x[1]);
  uint16_t* out = ptr<uint16_t>(x[2]);
  long from, to;
  team.range(n, from, to, VL);
  for (; from + VL <= to; from += VL) store(out + from, load(in + from));
  if (from < to) {
    uint16_t all[VL];
    store(all, load_part(in + from, to - from));
    for (long i = 0; from + i < to; i++) out[from + i] = all[i];
  }
}
// numbers (even), bf16, floats
static void unpack_bf16(const double* x, Team& team) {
  const long n = (long)x[0];
  const uint16_t* in = ptr<const uint16_t>(x[1]);
  float* out = ptr<float>(x[2]);
  long from, to;
  team.range(n, from, to, VL);
  for (; from + VL <= to; from += VL) store(out + from, load(in + from));
  if (from < to) store_part(out + from, load_part(in + from, to - from), to - from);
}

// tensors, sources, runs, [runs, 4] (source, its first slot, first slot of the target, slots), then per tensor: floats of a
// slot, target, one pointer for each source. Copies every run of every tensor.
static void collect_rows(const double* x, Team& team) {
  const long tensors = (long)x[0], sources = (long)x[1], runs = (long)x[2];
  const int32_t* table = ptr<const int32_t>(x[3]);
  long from, to;
  team.range(tensors * runs, from, to);
  for (long i = from; i < to; i++) {
    const double* tensor = x + 4 + i / runs * (2 + sources);
    const int32_t* run = table + i % runs * 4;
    const long floats = (long)tensor[0];
    __builtin_memcpy(ptr<float>(tensor[1]) + run[2] * floats, ptr<const float>(tensor[2 + run[0]]) + run[1] * floats,
                     run[3] * floats * sizeof(float));
  }
}

// chunks (of all batch rows), tokens per chunk, d, k, out
static void pool_keys(const double* x, Team& team) {
  const long chunks = (long)x[0], tokens = (long)x[1], d = (long)x[2];
  const float* k = ptr<const float>(x[3]);
  float* out = ptr<float>(x[4]);
  long from, to;
  team.range(chunks, from, to);
  const vf scale = splat(1.0f / tokens);
  for (long c = from; c < to; c++)
    for_lanes(d, [&](long j, long w) {
      vf s = splat(0.0f);
      for (long i = 0; i < tokens; i++) s += load_n(k + (c * tokens + i) * d + j, w);
      store_n(out + c * d + j, s * scale, w);
    });
}

// chunks, tokens per chunk, d, dy, dk
static void pool_keys_grad(const double* x, Team& team) {
  const long chunks = (long)x[0], tokens = (long)x[1], d = (long)x[2];
  const float* dy = ptr<const float>(x[3]);
  float* dk = ptr<float>(x[4]);
  long from, to;
  team.range(chunks * tokens, from, to);
  const vf scale = splat(1.0f / tokens);
  for (long i = from; i < to; i++)
    for_lanes(d, [&](long j, long w) { store_n(dk + i * d + j, load_n(dy + i / tokens * d + j, w) * scale, w); });
}

// frames, rows, columns (of patches), p, channels, back, in, out: [frames, H, W, C] <-> [frames, rows, columns, p p C]
static void patches(const double* x, Team& team) {
  const long frames = (long)x[0], rows = (long)x[1], columns = (long)x[2], p = (long)x[3], c = (long)x[4];
  const bool back = x[5] != 0;
  const float* in = ptr<const float>(x[6]);
  float* out = ptr<float>(x[7]);
  const long run = p * c;
  long from, to;
  team.range(frames * rows, from, to);
  for (long r = from; r < to; r++)
    for (long i = 0; i < p; i++)
      for (long j = 0; j < columns; j++) {
        const long image = ((r * p + i) * columns + j) * run, token = ((r * columns + j) * p + i) * run;
        const float* s = in + (back ? token : image);
        float* o = out + (back ? image : token);
        for (long e = 0; e < run; e++) o[e] = s[e];
      }
}

}  // namespace ZT_NS

#define ZT_FUSED_LAYOUT_OPS(X) X(cache_rows) X(pack_bf16) X(unpack_bf16) X(collect_rows) X(pool_keys) X(pool_keys_grad) X(patches)
