// The three products of attention on register tiles, and the packing of keys and values that feeds them.
//
//   scores   S[rows, keys]  = Q K^T       Q rows broadcast, K as panels of VL keys ("columns": [d][VL])
//   mix      O[rows, d]    += P V         P broadcast, V as panels of VL keys ("rows": [VL][d])
//   spread   dK[keys, d]   += dS^T Q      dS broadcast, Q rows
//
// Each element is one chain of multiply-adds in the order of the sum, whatever the tile: a row does not depend on the
// rows computed beside it. Factors are floats, or words of two neighbours in that order, in bf16 (attention-bf16.h).
#pragma once
#include "../gemm.h"
#include "lanes.h"

namespace ZT_NS {

enum {
  ATTN_ROWS = 32,                           // query rows of a block
  ATTN_PANELS = 288 / VL / NV * NV,         // panels of keys of a block
  ATTN_STRIDE = ATTN_PANELS * VL,           // floats between rows of scores
  TILE_ROWS = MR,
  SCORE_PANELS = NV < 2 ? 1 : 2,            // a third would leave no register for the row pointers
};

// How many factors lie in one input of a step.
template <typename In>
struct Factors {
  enum { OF = 1 };
};
template <>
struct Factors<uint32_t> {
  enum { OF = 2 };
};

// Keys key0 .. key0+VL-1, of which lanes lo .. hi-1 take part.
struct Panel {
  const float* key_columns;    // [d][VL]
  const float* value_columns;  // [d][VL], backward only
  const float* key_rows;       // [VL][dp], backward only
  const float* value_rows;     // [VL][dp], forward only
  long key0;
  int lo, hi;
};

// Heads lie beside each other, so the rows of one are far apart: no hardware fetches them ahead. What follows the rows
// at hand is needed next (or never: a prefetch cannot fault).
static ZT_INLINE void prefetch_rows(const float* x, long ld, long n, long d) {
  for (long i = 0; i < n; i++)
    for (long j = 0; j < d; j += 16) __builtin_prefetch(x + i * ld + j);
}
// The same into the second-level cache, which waits for more of them at a time: what lies in main memory comes at almost
// twice the rate.
static ZT_INLINE void prefetch_far_rows(const float* x, long ld, long n, long d) {
  for (long i = 0; i < n; i++)
    for (long j = 0; j < d; j += 16) __builtin_prefetch(x + i * ld + j, 0, 2);
}

// Rows of [n][d] (leading dimension ld; missing ones are zero) as columns [d][VL].
static void pack_columns(const float* x, long ld, long n, long d, float* o) {
  prefetch_rows(x + VL * ld, ld, VL, d);
  for (long d0 = 0; d0 < d; d0 += VL) {
    const long w = d - d0 < VL ? d - d0 : VL;
    vf r[VL];
#pragma GCC unroll 16
    for (int i = 0; i < VL; i++) r[i] = i < n ? load_n(x + i * ld + d0, w) : splat(0.0f);
    transpose(r);
    if (w == VL) {
#pragma GCC unroll 16
      for (int i = 0; i < VL; i++) store(o + (d0 + i) * VL, r[i]);
    } else {
      for (long i = 0; i < w; i++) store(o + (d0 + i) * VL, r[i]);
    }
  }
}
// The same rows padded to dp floats each.
static void pack_rows(const float* x, long ld, long n, long rows, long d, long dp, float* o) {
  prefetch_rows(x + rows * ld, ld, rows, d);
  for (long i = 0; i < rows; i++)
    for (long j = 0; j < dp; j += VL)
      store(o + i * dp + j, i < n ? load_n(x + i * ld + j, d - j < VL ? d - j : VL) : splat(0.0f));
}

template <int R, int N, typename In>
ZT_BF16 static ZT_INLINE void score_tile(const In* const* q, const In* const* k, long steps, float scale, float* const* s,
                                         long at) {
  vf c[R][N];
  const In *qr[R], *kn[N];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++) qr[r] = q[r];
#pragma GCC unroll 4
  for (int n = 0; n < N; n++) kn[n] = k[n];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) c[r][n] = splat(0.0f);
  for (long j = 0; j < steps; j++) {
    vf b[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) b[n] = load((const float*)(kn[n] + j * VL));
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      const In a = qr[r][j];
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) c[r][n] = step(a, b[n], c[r][n]);
    }
  }
  const vf factor = splat(scale);
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) store(s[r] + at + n * VL, c[r][n] * factor);
}
template <int R, typename In>
ZT_BF16 static void score_rows(const In* const* q, const Panel* panels, long count, bool of_values, long d, float scale,
                               float* const* s) {
  const long steps = (d + Factors<In>::OF - 1) / Factors<In>::OF;
  long p = 0;
  const In* k[SCORE_PANELS];
  auto columns = [&](long i) { return (const In*)(of_values ? panels[i].value_columns : panels[i].key_columns); };
  for (; p + SCORE_PANELS <= count; p += SCORE_PANELS) {
    for (int n = 0; n < SCORE_PANELS; n++) k[n] = columns(p + n);
    score_tile<R, SCORE_PANELS>(q, k, steps, scale, s, p * VL);
  }
  for (; p < count; p++) {
    k[0] = columns(p);
    score_tile<R, 1>(q, k, steps, scale, s, p * VL);
  }
}
// s[r] = scale q[r] . keys of the panels (or values, for the gradient of the weights).
template <typename In>
static void scores(const In* const* q, long rows, const Panel* panels, long count, bool of_values, long d, float scale,
                   float* const* s) {
  long r = 0;
  for (; r + TILE_ROWS <= rows; r += TILE_ROWS) score_rows<TILE_ROWS>(q + r, panels, count, of_values, d, scale, s + r);
  if (TILE_ROWS > 4)
    for (; r + 4 <= rows; r += 4) score_rows<4>(q + r, panels, count, of_values, d, scale, s + r);
  for (; r + 2 <= rows; r += 2) score_rows<2>(q + r, panels, count, of_values, d, scale, s + r);
  for (; r < rows; r++) score_rows<1>(q + r, panels, count, of_values, d, scale, s + r);
}

// The scores of one row with keys as they are stored (d a multiple of VL): cheaper than packing for a few rows.
template <typename Stored>
static ZT_INLINE vf direct_scores(const float* q, const Stored* k, long ld, long d, int lo, int hi) {
  vf r[VL];
  if (hi - lo < VL) {
    for (int i = 0; i < VL; i++) {
      r[i] = splat(0.0f);
      if (i >= lo && i < hi)
        for (long j = 0; j < d; j += VL) r[i] = fma(load(q + j), load(k + i * ld + j), r[i]);
    }
    return fold(r);
  }
#pragma GCC unroll 16
  for (int i = 0; i < VL; i++) r[i] = load(q) * load(k + i * ld);
  for (long j = VL; j < d; j += VL) {
    const vf a = load(q + j);
#pragma GCC unroll 16
    for (int i = 0; i < VL; i++) r[i] = fma(a, load(k + i * ld + j), r[i]);
  }
  return fold(r);
}

template <int R, int N, typename In>
ZT_BF16 static ZT_INLINE void mix_tile(const In* const* p, const Panel* panels, long count, bool of_keys, long stride,
                                       long col, const float* alpha, float* const* o) {
  enum { OF = Factors<In>::OF };
  vf c[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) {
      c[r][n] = load(o[r] + col + n * VL);
      if (alpha) c[r][n] = c[r][n] * splat(alpha[r]);
    }
  for (long i = 0; i < count; i++) {
    const In* v = (const In*)(of_keys ? panels[i].key_rows : panels[i].value_rows) + col;
    const In* w[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) w[r] = p[r] + i * (VL / OF);
    const long hi = (panels[i].hi + OF - 1) / OF;
    for (long j = panels[i].lo / OF; j < hi; j++) {
      vf b[N];
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) b[n] = load((const float*)(v + j * stride + n * VL));
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        const In a = w[r][j];
#pragma GCC unroll 4
        for (int n = 0; n < N; n++) c[r][n] = step(a, b[n], c[r][n]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) store(o[r] + col + n * VL, c[r][n]);
}
template <int R, typename In>
ZT_BF16 static void mix_rows(const In* const* p, const Panel* panels, long count, bool of_keys, long dp, long stride,
                             const float* alpha, float* const* o) {
  long col = 0;
  for (; col + NV * VL <= dp; col += NV * VL) mix_tile<R, NV>(p, panels, count, of_keys, stride, col, alpha, o);
  if (NV > 2)
    for (; col + 2 * VL <= dp; col += 2 * VL) mix_tile<R, 2>(p, panels, count, of_keys, stride, col, alpha, o);
  for (; col < dp; col += VL) mix_tile<R, 1>(p, panels, count, of_keys, stride, col, alpha, o);
}
// o[r] = alpha[r] o[r] + p[r] . values of the panels (or keys), which lie `stride` apart.
template <typename In>
static void mix(const In* const* p, long rows, const Panel* panels, long count, bool of_keys, long dp, long stride,
                const float* alpha, float* const* o) {
  long r = 0;
  for (; r + TILE_ROWS <= rows; r += TILE_ROWS)
    mix_rows<TILE_ROWS>(p + r, panels, count, of_keys, dp, stride, alpha ? alpha + r : 0, o + r);
  if (TILE_ROWS > 4)
    for (; r + 4 <= rows; r += 4) mix_rows<4>(p + r, panels, count, of_keys, dp, stride, alpha ? alpha + r : 0, o + r);
  for (; r + 2 <= rows; r += 2) mix_rows<2>(p + r, panels, count, of_keys, dp, stride, alpha ? alpha + r : 0, o + r);
  for (; r < rows; r++) mix_rows<1>(p + r, panels, count, of_keys, dp, stride, alpha ? alpha + r : 0, o + r);
}

// The same for n values (n even) that follow each other and one or two rows, whose chains would wait for themselves: even
// and odd keys are summed apart.
template <int R, int N, typename Stored>
static ZT_INLINE void mix_few_tile(float* const* p, const Stored* values, long n, long stride, long col, float* const* o) {
  vf even[R][N], odd[R][N];
#pragma GCC unroll 2
  for (int r = 0; r < R; r++)
#pragma GCC unroll 2
    for (int i = 0; i < N; i++) even[r][i] = load(o[r] + col + i * VL), odd[r][i] = splat(0.0f);
  for (long j = 0; j < n; j += 2) {
    const Stored *v = values + j * stride + col, *w = v + stride;
#pragma GCC unroll 2
    for (int r = 0; r < R; r++) {
      const vf a = splat(p[r][j]), b = splat(p[r][j + 1]);
#pragma GCC unroll 2
      for (int i = 0; i < N; i++) {
        even[r][i] = fma(a, load(v + i * VL), even[r][i]);
        odd[r][i] = fma(b, load(w + i * VL), odd[r][i]);
      }
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < R; r++)
#pragma GCC unroll 2
    for (int i = 0; i < N; i++) store(o[r] + col + i * VL, even[r][i] + odd[r][i]);
}
template <int R, typename Stored>
static void mix_few(float* const* p, const Stored* values, long n, long dp, long stride, float* const* o) {
  long col = 0;
  for (; col + 2 * VL <= dp; col += 2 * VL) mix_few_tile<R, 2>(p, values, n, stride, col, o);
  for (; col < dp; col += VL) mix_few_tile<R, 1>(p, values, n, stride, col, o);
}

// R keys, N vectors of their gradient at `o` (leading dimension ld; the last vector holds `last` floats). Weights are
// words of row pairs where x has such: they lie in the place of the first row's.
template <int R, int N, typename In>
ZT_BF16 static ZT_INLINE void spread_tile(const float* const* s, long steps, long at, const In* const* x, long col, float* o,
                                          long ld, long last) {
  vf c[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) c[r][n] = load_n(o + r * ld + n * VL, n == N - 1 ? last : VL);
  for (long i = 0; i < steps; i++) {
    const In *w = (const In*)(s[Factors<In>::OF * i] + at), *xi = x[i] + col;
    vf b[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) b[n] = load((const float*)(xi + n * VL));
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      const In a = w[r];
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) c[r][n] = step(a, b[n], c[r][n]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) store_n(o + r * ld + n * VL, c[r][n], n == N - 1 ? last : VL);
}
template <int R, typename In>
ZT_BF16 static void spread_keys(const float* const* s, long steps, long at, const In* const* x, long d, float* o, long ld) {
  long col = 0;
  for (; col + NV * VL <= d; col += NV * VL) spread_tile<R, NV>(s, steps, at, x, col, o + col, ld, VL);
  if (NV > 2)
    for (; col + 2 * VL <= d; col += 2 * VL) spread_tile<R, 2>(s, steps, at, x, col, o + col, ld, VL);
  for (; col < d; col += VL) spread_tile<R, 1>(s, steps, at, x, col, o + col, ld, d - col < VL ? d - col : VL);
}
// o[key] += sum over rows of s[row][key] x[row], for the keys of the panels; o begins at key 0. `steps` rows or row pairs.
template <typename In>
static void spread(const float* const* s, long steps, const Panel* panels, long count, const In* const* x, long d, float* o,
                   long ld) {
  for (long i = 0; i < count; i++) {
    long j = panels[i].lo;
    const long hi = panels[i].hi;
    float* base = o + panels[i].key0 * ld;
    for (; j + TILE_ROWS <= hi; j += TILE_ROWS) spread_keys<TILE_ROWS>(s, steps, i * VL + j, x, d, base + j * ld, ld);
    if (TILE_ROWS > 4)
      for (; j + 4 <= hi; j += 4) spread_keys<4>(s, steps, i * VL + j, x, d, base + j * ld, ld);
    for (; j + 2 <= hi; j += 2) spread_keys<2>(s, steps, i * VL + j, x, d, base + j * ld, ld);
    for (; j < hi; j++) spread_keys<1>(s, steps, i * VL + j, x, d, base + j * ld, ld);
  }
}

}  // namespace ZT_NS
