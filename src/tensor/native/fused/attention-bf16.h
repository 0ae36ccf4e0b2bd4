// The three products of attention with bf16 inputs and float32 sums, two neighbours to a word (bf16.h):
//
//   scores   neighbours along the width of a head: q as words [d / 2], keys as panels of words [d / 2][VL]
//   mix      neighbouring keys:                    weights as words of a row, values as words [VL / 2][dp]
//   spread   neighbouring query rows:              weights as words [rows / 2][keys], q as words [rows / 2][dp]
//
// Softmax, its gradient and routing stay in float32. Here as there, each element is one chain in the order of the sum.
#pragma once
#include "attention-tiles.h"

namespace ZT_NS {

// Words of a row of d floats, in whole vectors.
static ZT_INLINE long row_words(long d) { return ((d + 1) / 2 + VL - 1) / VL * VL; }

#if ZT_BF16_COMPILED
ZT_BF16 static void words_along(const float* x, long d, uint32_t* o) {
  for (long j = 0; j < d; j += 2 * VL) *(viu*)(o + j / 2) = pairs_along(x + j, d - j);
}
// Rows [n][d] of keys or values as words of columns.
ZT_BF16 static void pack_columns_bf16(const float* x, long ld, long n, long d, uint32_t* o) {
  prefetch_rows(x + VL * ld, ld, VL, d);
  const long words = (d + 1) / 2;
  for (long p0 = 0; p0 < words; p0 += VL) {
    vf r[VL];
    words_of_rows(x, ld, n, p0, d, r);
    for (long p = 0; p < VL && p0 + p < words; p++) *(viu*)(o + (p0 + p) * VL) = (vi)r[p];
  }
}
// Rows [n][d] as words of two rows each.
ZT_BF16 static void pack_rows_bf16(const float* x, long ld, long n, long d, long dp, uint32_t* o) {
  prefetch_rows(x + VL * ld, ld, VL, d);
  for (long i = 0; i < VL; i += 2)
    for (long j = 0; j < dp; j += VL)
      *(viu*)(o + i / 2 * dp + j) =
          i < n ? pairs_across(x + i * ld + j, i + 1 < n ? x + (i + 1) * ld + j : 0, d - j) : splat_i(0);
}

template <int R, int N>
ZT_BF16 static ZT_INLINE void score_tile_bf16(const uint32_t* const* q, const uint32_t* const* k, long words, float scale,
                                              float* const* s, long at) {
  vf c[R][N];
  const uint32_t *qr[R], *kn[N];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++) qr[r] = q[r];
#pragma GCC unroll 4
  for (int n = 0; n < N; n++) kn[n] = k[n];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) c[r][n] = splat(0.0f);
  for (long j = 0; j < words; j++) {
    __m512bh b[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) b[n] = (__m512bh)_mm512_loadu_si512(kn[n] + j * VL);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      const __m512bh a = (__m512bh)_mm512_set1_epi32((int)qr[r][j]);
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) c[r][n] = (vf)_mm512_dpbf16_ps((__m512)c[r][n], a, b[n]);
    }
  }
  const vf factor = splat(scale);
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) store(s[r] + at + n * VL, c[r][n] * factor);
}
template <int R>
ZT_BF16 static void score_rows_bf16(const uint32_t* const* q, const Panel* panels, long count, bool of_values, long words,
                                    float scale, float* const* s) {
  long p = 0;
  const uint32_t* k[SCORE_PANELS];
  auto columns = [&](long i) { return (const uint32_t*)(of_values ? panels[i].value_columns : panels[i].key_columns); };
  for (; p + SCORE_PANELS <= count; p += SCORE_PANELS) {
    for (int n = 0; n < SCORE_PANELS; n++) k[n] = columns(p + n);
    score_tile_bf16<R, SCORE_PANELS>(q, k, words, scale, s, p * VL);
  }
  for (; p < count; p++) {
    k[0] = columns(p);
    score_tile_bf16<R, 1>(q, k, words, scale, s, p * VL);
  }
}
static void scores_bf16(const uint32_t* const* q, long rows, const Panel* panels, long count, bool of_values, long d,
                        float scale, float* const* s) {
  const long words = (d + 1) / 2;
  long r = 0;
  for (; r + MR <= rows; r += MR) score_rows_bf16<MR>(q + r, panels, count, of_values, words, scale, s + r);
  for (; r + 2 <= rows; r += 2) score_rows_bf16<2>(q + r, panels, count, of_values, words, scale, s + r);
  for (; r < rows; r++) score_rows_bf16<1>(q + r, panels, count, of_values, words, scale, s + r);
}

template <int R, int N>
ZT_BF16 static ZT_INLINE void mix_tile_bf16(const uint32_t* const* p, const Panel* panels, long count, bool of_keys, long dp,
                                            long col, const float* alpha, float* const* o) {
  vf c[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) {
      c[r][n] = load(o[r] + col + n * VL);
      if (alpha) c[r][n] = c[r][n] * splat(alpha[r]);
    }
  for (long i = 0; i < count; i++) {
    const uint32_t* v = (const uint32_t*)(of_keys ? panels[i].key_rows : panels[i].value_rows) + col;
    const uint32_t* w[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) w[r] = p[r] + i * (VL / 2);
    const long hi = (panels[i].hi + 1) / 2;
    for (long j = panels[i].lo / 2; j < hi; j++) {
      __m512bh b[N];
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) b[n] = (__m512bh)_mm512_loadu_si512(v + j * dp + n * VL);
#pragma GCC unroll 8
      for (int r = 0; r < R; r++) {
        const __m512bh a = (__m512bh)_mm512_set1_epi32((int)w[r][j]);
#pragma GCC unroll 4
        for (int n = 0; n < N; n++) c[r][n] = (vf)_mm512_dpbf16_ps((__m512)c[r][n], a, b[n]);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) store(o[r] + col + n * VL, c[r][n]);
}
template <int R>
ZT_BF16 static void mix_rows_bf16(const uint32_t* const* p, const Panel* panels, long count, bool of_keys, long dp,
                                  const float* alpha, float* const* o) {
  long col = 0;
  for (; col + 2 * VL <= dp; col += 2 * VL) mix_tile_bf16<R, 2>(p, panels, count, of_keys, dp, col, alpha, o);
  for (; col < dp; col += VL) mix_tile_bf16<R, 1>(p, panels, count, of_keys, dp, col, alpha, o);
}
static void mix_bf16(const uint32_t* const* p, long rows, const Panel* panels, long count, bool of_keys, long dp,
                     const float* alpha, float* const* o) {
  long r = 0;
  for (; r + MR <= rows; r += MR) mix_rows_bf16<MR>(p + r, panels, count, of_keys, dp, alpha ? alpha + r : 0, o + r);
  for (; r + 2 <= rows; r += 2) mix_rows_bf16<2>(p + r, panels, count, of_keys, dp, alpha ? alpha + r : 0, o + r);
  for (; r < rows; r++) mix_rows_bf16<1>(p + r, panels, count, of_keys, dp, alpha ? alpha + r : 0, o + r);
}

// R keys, N vectors of their gradient at `o`; `s` holds words of weights, `x` words of rows, both of row pairs.
template <int R, int N>
ZT_BF16 static ZT_INLINE void spread_tile_bf16(const float* const* s, long pairs, long at, const uint32_t* x, long dp, float* o,
                                               long ld, long last) {
  vf c[R][N];
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) c[r][n] = load_n(o + r * ld + n * VL, n == N - 1 ? last : VL);
  for (long i = 0; i < pairs; i++) {
    const float* w = s[2 * i] + at;
    __m512bh b[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) b[n] = (__m512bh)_mm512_loadu_si512(x + i * dp + n * VL);
#pragma GCC unroll 8
    for (int r = 0; r < R; r++) {
      const __m512bh a = (__m512bh)_mm512_set1_epi32(((const int32_t*)w)[r]);
#pragma GCC unroll 4
      for (int n = 0; n < N; n++) c[r][n] = (vf)_mm512_dpbf16_ps((__m512)c[r][n], a, b[n]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; r++)
#pragma GCC unroll 4
    for (int n = 0; n < N; n++) store_n(o + r * ld + n * VL, c[r][n], n == N - 1 ? last : VL);
}
template <int R>
ZT_BF16 static void spread_keys_bf16(const float* const* s, long pairs, long at, const uint32_t* x, long d, long dp, float* o,
                                     long ld) {
  long col = 0;
  for (; col + 2 * VL <= d; col += 2 * VL) spread_tile_bf16<R, 2>(s, pairs, at, x + col, dp, o + col, ld, VL);
  for (; col < d; col += VL)
    spread_tile_bf16<R, 1>(s, pairs, at, x + col, dp, o + col, ld, d - col < VL ? d - col : VL);
}
// o[key] += sum over row pairs; s[2 i] holds the words of rows 2 i and 2 i + 1 in place of the floats of row 2 i.
static void spread_bf16(const float* const* s, long pairs, const Panel* panels, long count, const uint32_t* x, long d, long dp,
                        float* o, long ld) {
  for (long i = 0; i < count; i++) {
    long j = panels[i].lo;
    const long hi = panels[i].hi;
    float* base = o + panels[i].key0 * ld;
    for (; j + MR <= hi; j += MR) spread_keys_bf16<MR>(s, pairs, i * VL + j, x, d, dp, base + j * ld, ld);
    for (; j < hi; j++) spread_keys_bf16<1>(s, pairs, i * VL + j, x, d, dp, base + j * ld, ld);
  }
}
// Words of the pairs of n rows scattered in memory: [(n + 1) / 2][dp].
ZT_BF16 static void pair_scattered_bf16(const float* const* x, long n, long dp, uint32_t* o) {
  for (long i = 0; i < n; i += 2)
    for (long j = 0; j < dp; j += VL) *(viu*)(o + i / 2 * dp + j) = pairs_across(x[i] + j, i + 1 < n ? x[i + 1] + j : 0, VL);
}
// The words of row pairs take the place of the floats of the pair's first row.
ZT_BF16 static void pair_rows_bf16(float* const* s, long n, long keys) {
  for (long i = 0; i < n; i += 2)
    for (long j = 0; j < keys; j += VL)
      *(viu*)(s[i] + j) = pairs_across(s[i] + j, i + 1 < n ? s[i + 1] + j : 0, VL);
}
#else
static void words_along(const float*, long, uint32_t*) {}
static void pack_columns_bf16(const float*, long, long, long, uint32_t*) {}
static void pack_rows_bf16(const float*, long, long, long, long, uint32_t*) {}
static void scores_bf16(const uint32_t* const*, long, const Panel*, long, bool, long, float, float* const*) {}
static void mix_bf16(const uint32_t* const*, long, const Panel*, long, bool, long, const float*, float* const*) {}
static void spread_bf16(const float* const*, long, const Panel*, long, const uint32_t*, long, long, float*, long) {}
static void pair_scattered_bf16(const float* const*, long, long, uint32_t*) {}
static void pair_rows_bf16(float* const*, long, long) {}
#endif

}  // namespace ZT_NS
