// One tile of a product, in registers: MR rows times NV vectors of columns.
#pragma once
#include "gemm-pack.h"

namespace ZT_NS {

enum Activation { ACT_NONE = 0, ACT_GELU = 1, ACT_SILU = 2, ACT_RELU = 3 };

struct Gemm {
  bool ta = false, tb = false;  // A is [k,m] instead of [m,k]; B is [n,k] instead of [k,n]
  long m = 0, n = 0, k = 0;
  const float* a = 0;
  long lda = 0;
  const float* b = 0;  // ignored when `packed` is given
  long ldb = 0;
  float* c = 0;
  long ldc = 0;
  float alpha = 1;
  bool accumulate = false;    // add to C
  const float* bias = 0;      // [n], added after alpha
  int activation = ACT_NONE;  // applied last
  float* pre = 0;             // where the value before the activation goes (leading dimension ldc), or null
  const float* packed = 0;    // B packed once by pack_b_all, in the precision still in use
  float* row_sums = 0;        // [m], or null; with `ta`: receives the sums of the rows of op(A)
};

static ZT_INLINE vf activate(vf v, int activation) {
  switch (activation) {
    case ACT_GELU: return gelu(v);
    case ACT_SILU: return silu(v);
    case ACT_RELU: return max(v, splat(0.0f));
    default: return v;
  }
}

// Adds a tile of sums, N vectors wide, to C, with the epilogue after the last block of depth.
template <int H, int N>
static ZT_INLINE void finish_tile(const Gemm& g, vf (&c)[H][N], long row, long col, long w, bool first, bool last) {
  float* out = g.c + row * g.ldc + col;
  const bool add = !first || g.accumulate;
  const bool finish = last && (g.bias || g.activation || g.pre);
  const vf alpha = splat(g.alpha);
  if (w == N * VL && !(finish && (g.activation || g.pre))) {
    vf bias[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; j++) bias[j] = finish ? load(g.bias + col + j * VL) : splat(0.0f);
#pragma GCC unroll 16
    for (int i = 0; i < H; i++)
#pragma GCC unroll 4
      for (int j = 0; j < N; j++) {
        float* d = out + i * g.ldc + j * VL;
        vf v = alpha * c[i][j];
        if (add) v = load(d) + v;
        if (finish) v += bias[j];
        store(d, v);
      }
    return;
  }
  float t[H][N * VL] __attribute__((aligned(64)));
#pragma GCC unroll 16
  for (int i = 0; i < H; i++)
#pragma GCC unroll 4
    for (int j = 0; j < N; j++) *(vf*)&t[i][j * VL] = alpha * c[i][j];
  for (int i = 0; i < H; i++) {
    for (long j = 0; j < w; j += VL) {
      long r = w - j < VL ? w - j : VL;
      float* d = out + i * g.ldc + j;
      vf v = *(vf*)&t[i][j];
      if (r == VL) {
        if (add) v = load(d) + v;
        if (finish) {
          if (g.bias) v += load(g.bias + col + j);
          if (g.pre) store(g.pre + (row + i) * g.ldc + col + j, v);
          v = activate(v, g.activation);
        }
        store(d, v);
      } else {
        if (add) v = load_part(d, r) + v;
        if (finish) {
          if (g.bias) v += load_part(g.bias + col + j, r);
          if (g.pre) store_part(g.pre + (row + i) * g.ldc + col + j, v, r);
          v = activate(v, g.activation);
        }
        store_part(d, v, r);
      }
    }
  }
}

// The lines of a tile of C, or of what lies like it, come while the tile is computed.
template <int H, int N>
static ZT_INLINE void fetch_tile(const float* p, long ld) {
#pragma GCC unroll 16
  for (int i = 0; i < H; i++)
    for (int j = 0; j < N * VL; j += VL < LINE ? LINE : VL) fetch_to_write(p + i * ld + j);
}

// One tile: H rows of A times N vectors of a packed panel of B, in floats or in words. A is a packed panel, or rows `lda`
// apart.
template <typename In, bool PANEL, int H, int N>
ZT_BF16 static void tile(const Gemm& g, long k, const In* a, long lda, const In* b, long row, long col, long w, bool first,
                         bool last) {
  vf c[H][N];
  const In* at[H];
#pragma GCC unroll 16
  for (int i = 0; i < H; i++) {
    at[i] = a + i * lda;
#pragma GCC unroll 4
    for (int j = 0; j < N; j++) c[i][j] = splat(0.0f);
  }
  const long at_c = row * g.ldc + col;
  fetch_tile<H, N>(g.c + at_c, g.ldc);
  if (last && g.pre) fetch_tile<H, N>(g.pre + at_c, g.ldc);
  for (long p = 0; p < k; p++) {
    vf bv[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; j++) bv[j] = *(const vf*)(b + j * VL);
#pragma GCC unroll 16
    for (int i = 0; i < H; i++) {
      const In factor = PANEL ? a[i] : at[i][p];
#pragma GCC unroll 4
      for (int j = 0; j < N; j++) c[i][j] = step(factor, bv[j], c[i][j]);
    }
    if (PANEL) a += MR;
    b += NR;
  }
  finish_tile<H, N>(g, c, row, col, w, first, last);
}
template <typename In, bool PANEL>
static void tile_rows(long h, const Gemm& g, long k, const In* a, long lda, const In* b, long row, long col, long w,
                      bool first, bool last) {
#define ZT_TILE(H, N) return tile<In, PANEL, H, N>(g, k, a, lda, b, row, col, w, first, last)
  // The last panel may need fewer vectors.
  if (h >= MR && w <= VL) ZT_TILE(MR, 1);
  if (h >= MR && NV > 2 && w <= 2 * VL) ZT_TILE(MR, NV - 1);
  if (h >= MR) ZT_TILE(MR, NV);
  switch (h) {
#if VL == 16 || defined(__aarch64__)
    case 7: ZT_TILE(7, NV);
    case 6: ZT_TILE(6, NV);
#endif
#if VL >= 8 || defined(__aarch64__)
    case 5: ZT_TILE(5, NV);
    case 4: ZT_TILE(4, NV);
#endif
    case 3: ZT_TILE(3, NV);
    case 2: ZT_TILE(2, NV);
    default: ZT_TILE(1, NV);
  }
#undef ZT_TILE
}

}  // namespace ZT_NS
