// The inputs of the three products of attention (attention-tiles.h) in bf16, two neighbours to a word (bf16.h):
//
//   scores   neighbours along the width of a head: q as words [d / 2], keys as panels of words [d / 2][VL]
//   mix      neighbouring keys:                    weights as words of a row, values as words [VL / 2][dp]
//   spread   neighbouring query rows:              weights as words [rows / 2][keys], q as words [rows / 2][dp]
//
// Sums are float32; softmax, its gradient and routing stay in it.
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
static void pair_scattered_bf16(const float* const*, long, long, uint32_t*) {}
static void pair_rows_bf16(float* const*, long, long) {}
#endif

}  // namespace ZT_NS
