// Operands of products in the order that the tiles read them (gemm-tile.h): panels of B, and where A is transposed, of A.
#pragma once
#include "bf16.h"

namespace ZT_NS {

#if VL == 16
enum { MR = 8, NV = 3, KC = 256, NC = 1536 };
#elif VL == 8
enum { MR = 6, NV = 2, KC = 256, NC = 1024 };
#elif defined(__aarch64__)
enum { MR = 8, NV = 3, KC = 256, NC = 768 };
#else
enum { MR = 4, NV = 2, KC = 256, NC = 768 };
#endif
enum { NR = NV * VL, MC = MR * 12 };

// VL rows of x (n of them exist) from column `at` on, transposed: r[p] holds column at + p of every row.
static ZT_INLINE void columns_of_rows(const float* x, long ld, long n, long at, long k, vf* r) {
#pragma GCC unroll 16
  for (int i = 0; i < VL; i++)
    r[i] = i >= n ? splat(0.0f) : k - at >= VL ? load(x + i * ld + at) : load_part(x + i * ld + at, k - at);
  transpose(r);
}

// B[k, n] -> panels of NR columns, each k rows of NR floats; missing columns are zero.
static void pack_b(bool tb, long k, long n, const float* b, long ldb, float* o) {
  for (long j = 0; j < n; j += NR, o += k * NR) {
    if (tb) {
      for (long q = 0; q < NR; q += VL)
        for (long p0 = 0; p0 < k; p0 += VL) {
          vf r[VL];
          columns_of_rows(b + (j + q) * ldb, ldb, n - j - q, p0, k, r);
          for (long p = 0; p < VL && p0 + p < k; p++) store(o + (p0 + p) * NR + q, r[p]);
        }
      continue;
    }
    const long w = n - j;
    for (long p = 0; p < k; p++) {
      const float* s = b + p * ldb + j;
      for (long q = 0; q < NR; q += VL)
        store(o + p * NR + q, w - q >= VL ? load(s + q) : load_part(s + q, w - q > 0 ? w - q : 0));
    }
  }
}
// A[k, m] -> panels of MR rows of the product, each k columns of MR floats.
static void pack_a(long m, long k, const float* a, long lda, float* o) {
  // Two panels at a time, which in memory lie in one line.
  for (long i = 0; i < m; i += 2 * MR)
    for (long p = 0; p < k; p++)
      for (long r = i; r < m && r < i + 2 * MR; r += MR) {
        const float* s = a + p * lda + r;
        float* d = o + r * k + p * MR;
        if (m - r >= MR) __builtin_memcpy(d, s, MR * sizeof(float));
        else
          for (long q = 0; q < MR; q++) d[q] = q < m - r ? s[q] : 0;
      }
}
// Adds a block's part of the row sums of op(A), A[k, m] as it lies in memory (in bf16 too: of the inputs themselves).
static void add_row_sums(long m, long k, const float* a, long lda, bool first, float* sums) {
  for (long i = 0; i < m; i += 4 * VL) {
    const long n = m - i < 4 * VL ? m - i : 4 * VL;
    vf sum[4];
    for (long q = 0; q < 4; q++) sum[q] = splat(0.0f);
    if (n == 4 * VL) {
      for (long p = 0; p < k; p++)
#pragma GCC unroll 4
        for (long q = 0; q < 4; q++) sum[q] += load(a + p * lda + i + q * VL);
    } else {
      for (long p = 0; p < k; p++)
        for (long q = 0; q * VL < n; q++)
          sum[q] += n - q * VL >= VL ? load(a + p * lda + i + q * VL) : load_part(a + p * lda + i + q * VL, n - q * VL);
    }
    for (long q = 0; q * VL < n; q++) {
      const long w = n - q * VL < VL ? n - q * VL : (long)VL;
      float* to = sums + i + q * VL;
      store_part(to, first ? sum[q] : load_part(to, w) + sum[q], w);
    }
  }
}
#if ZT_BF16_COMPILED
// B[k, n] -> panels of NR columns, each (k + 1) / 2 rows of NR words.
ZT_BF16 static void pack_b_bf16(bool tb, long k, long n, const float* b, long ldb, uint32_t* o) {
  const long words = (k + 1) / 2;
  if (!tb) {
    // Row by row, as it lies in memory.
    for (long p = 0; p < words; p++) {
      const float *s = b + 2 * p * ldb, *t = 2 * p + 1 < k ? s + ldb : 0;
      uint32_t* d = o + p * NR;
      for (long j = 0; j < n; j += NR, d += words * NR)
        for (long q = 0; q < NR; q += VL)
          *(viu*)(d + q) = n - j > q ? pairs_across(s + j + q, t ? t + j + q : 0, n - j - q) : splat_i(0);
    }
    return;
  }
  for (long j = 0; j < n; j += NR, o += words * NR)
    for (long q = 0; q < NR; q += VL)
      for (long p0 = 0; p0 < words; p0 += VL) {
        vf r[VL];
        words_of_rows(b + (j + q) * ldb, ldb, n - j - q, p0, k, r);
        for (long p = 0; p < VL && p0 + p < words; p++) *(viu*)(o + (p0 + p) * NR + q) = (vi)r[p];
      }
}
// A[m, k] -> rows of (k + 1) / 2 words, `ld` apart.
ZT_BF16 static void pack_a_rows(long m, long k, const float* a, long lda, uint32_t* o, long ld) {
  for (long i = 0; i < m; i++)
    for (long j = 0; j < k; j += 2 * VL) *(viu*)(o + i * ld + j / 2) = pairs_along(a + i * lda + j, k - j);
}
// A[k, m] -> panels of MR rows of the product, each (k + 1) / 2 columns of MR words; two panels to a vector.
ZT_BF16 static void pack_a_bf16(long m, long k, const float* a, long lda, uint32_t* o) {
  typedef int32_t half __attribute__((vector_size(MR * 4), aligned(4)));
  const long words = (k + 1) / 2;
  for (long i = 0; i < m; i += VL)
    for (long p = 0; p < words; p++) {
      const float *s = a + 2 * p * lda + i, *t = 2 * p + 1 < k ? s + lda : 0;
      const __m512i v = (__m512i)pairs_across(s, t, m - i);
      uint32_t* d = o + i * words + p * MR;
      *(half*)d = (half)_mm512_castsi512_si256(v);
      if (m - i > MR) *(half*)(d + words * MR) = (half)_mm512_extracti64x4_epi64(v, 1);
    }
}
#else
static void pack_b_bf16(bool, long, long, const float*, long, uint32_t*) {}
static void pack_a_rows(long, long, const float*, long, uint32_t*, long) {}
static void pack_a_bf16(long, long, const float*, long, uint32_t*) {}
#endif

}  // namespace ZT_NS
