// The products with bf16 inputs and float32 sums, for CPUs with AVX512_BF16; elsewhere `bf16_on` stays false.
//
// Inputs are rounded to nearest even while they are packed, two neighbours in depth to a word. dpbf16 adds both products
// of a word to a float32 sum; the order is fixed as in float32. Error: 2^-7 relative for each term.
#pragma once

namespace ZT_NS {

// Set by the op `set_precision`; read by every product.
static bool bf16_on = false;

#if VL == 16 && defined(__x86_64__) && defined(ZT_HAS_BF16)
#define ZT_BF16_COMPILED 1
#define ZT_BF16 __attribute__((target("avx512bf16")))

// 16 words: the neighbours of p[0..31] (n of them exist) as pairs.
ZT_BF16 static ZT_INLINE vi pairs_along(const float* p, long n) {
  const vf low = n >= VL ? load(p) : load_part(p, n > 0 ? n : 0);
  const vf high = n >= 2 * VL ? load(p + VL) : load_part(p + VL, n > VL ? n - VL : 0);
  return (vi)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
}
// 16 words: lane i pairs p[i] with q[i] (n lanes exist; q may be null).
ZT_BF16 static ZT_INLINE vi pairs_across(const float* p, const float* q, long n) {
  const vf low = n >= VL ? load(p) : load_part(p, n > 0 ? n : 0);
  const vf high = !q ? splat(0.0f) : n >= VL ? load(q) : load_part(q, n > 0 ? n : 0);
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5,
                                         20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return (vi)_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low));
}
// 16 words of depth from `at` of VL rows (n of them exist), transposed: r[p] holds word at + p of every row.
ZT_BF16 static ZT_INLINE void words_of_rows(const float* x, long ld, long n, long at, long k, vf* r) {
#pragma GCC unroll 16
  for (int i = 0; i < VL; i++) r[i] = i < n ? (vf)pairs_along(x + i * ld + 2 * at, k - 2 * at) : splat(0.0f);
  transpose(r);
}

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
// A[m, k] -> panels of MR rows, each (k + 1) / 2 columns of MR words; two panels to a vector.
ZT_BF16 static ZT_INLINE void store_panels(vi v, uint32_t* o, long words, bool both) {
  typedef int32_t half __attribute__((vector_size(MR * 4), aligned(4)));
  *(half*)o = (half)_mm512_castsi512_si256((__m512i)v);
  if (both) *(half*)(o + words * MR) = (half)_mm512_extracti64x4_epi64((__m512i)v, 1);
}
ZT_BF16 static void pack_a_bf16(bool ta, long m, long k, const float* a, long lda, uint32_t* o) {
  const long words = (k + 1) / 2;
  if (ta) {
    // Row by row, as it lies in memory.
    for (long p = 0; p < words; p++) {
      const float *s = a + 2 * p * lda, *t = 2 * p + 1 < k ? s + lda : 0;
      for (long i = 0; i < m; i += VL)
        store_panels(pairs_across(s + i, t ? t + i : 0, m - i), o + i * words + p * MR, words, m - i > MR);
    }
    return;
  }
  for (long i = 0; i < m; i += VL)
    for (long p0 = 0; p0 < words; p0 += VL) {
      vf r[VL];
      words_of_rows(a + i * lda, lda, m - i, p0, k, r);
      for (long p = 0; p < VL && p0 + p < words; p++)
        store_panels((vi)r[p], o + i * words + (p0 + p) * MR, words, m - i > MR);
    }
}
template <int H, int N>
ZT_BF16 static void tile_bf16(const Gemm& g, long words, const uint32_t* a, const uint32_t* b, long row, long col, long w,
                              bool first, bool last) {
  vf c[H][N];
#pragma GCC unroll 16
  for (int i = 0; i < H; i++)
#pragma GCC unroll 4
    for (int j = 0; j < N; j++) c[i][j] = splat(0.0f);
  for (long p = 0; p < words; p++) {
    __m512bh bv[N];
#pragma GCC unroll 4
    for (int j = 0; j < N; j++) bv[j] = (__m512bh)_mm512_loadu_si512(b + j * VL);
#pragma GCC unroll 16
    for (int i = 0; i < H; i++) {
      __m512bh av = (__m512bh)_mm512_set1_epi32((int)a[i]);
#pragma GCC unroll 4
      for (int j = 0; j < N; j++) c[i][j] = (vf)_mm512_dpbf16_ps((__m512)c[i][j], av, bv[j]);
    }
    a += MR;
    b += NR;
  }
  finish_tile<H, N>(g, c, row, col, w, first, last);
}
static void tile_rows_bf16(long h, const Gemm& g, long words, const uint32_t* a, const uint32_t* b, long row, long col, long w,
                           bool first, bool last) {
  // The last panel may need fewer vectors.
  if (h >= MR && w <= VL) return tile_bf16<MR, 1>(g, words, a, b, row, col, w, first, last);
  if (h >= MR && w <= 2 * VL) return tile_bf16<MR, 2>(g, words, a, b, row, col, w, first, last);
  switch (h) {
    case 1: return tile_bf16<1, NV>(g, words, a, b, row, col, w, first, last);
    case 2: return tile_bf16<2, NV>(g, words, a, b, row, col, w, first, last);
    case 3: return tile_bf16<3, NV>(g, words, a, b, row, col, w, first, last);
    case 4: return tile_bf16<4, NV>(g, words, a, b, row, col, w, first, last);
    case 5: return tile_bf16<5, NV>(g, words, a, b, row, col, w, first, last);
    case 6: return tile_bf16<6, NV>(g, words, a, b, row, col, w, first, last);
    case 7: return tile_bf16<7, NV>(g, words, a, b, row, col, w, first, last);
    default: return tile_bf16<MR, NV>(g, words, a, b, row, col, w, first, last);
  }
}
// Sums of the rows of op(A) over a block of depth, of the inputs as they are, in float32.
static void add_row_sums_exact(const Gemm& g, long ic, long mc, long pc, long k, float* sums) {
  if (!g.ta) {
    for (long i = 0; i < mc; i++) {
      vf s = splat(0.0f);
      const float* a = g.a + (ic + i) * g.lda + pc;
      long p = 0;
      for (; p + VL <= k; p += VL) s += load(a + p);
      if (p < k) s += load_part(a + p, k - p);
      sums[i] = (pc == 0 ? 0 : sums[i]) + sum_lanes(s);
    }
    return;
  }
  vf sum[(MC + VL - 1) / VL];
  const long vectors = (mc + VL - 1) / VL;
  const float* a = g.a + pc * g.lda + ic;
  for (long i = 0; i < vectors; i++) sum[i] = splat(0.0f);
  for (long p = 0; p < k; p++, a += g.lda)
    for (long i = 0; i < vectors; i++) sum[i] += mc - i * VL >= VL ? load(a + i * VL) : load_part(a + i * VL, mc - i * VL);
  for (long i = 0; i < vectors; i++) {
    const long n = mc - i * VL < VL ? mc - i * VL : VL;
    if (pc > 0) sum[i] += load_part(sums + i * VL, n);
    store_part(sums + i * VL, sum[i], n);
  }
}
static void gemm_rows_bf16(const Gemm& g, long ic, long mc, long jc, long n, long pc, long k, const uint32_t* pb,
                           uint32_t* pa) {
  const long words = (k + 1) / 2;
  pack_a_bf16(g.ta, mc, k, g.ta ? g.a + pc * g.lda + ic : g.a + ic * g.lda + pc, g.lda, pa);
  const bool first = pc == 0, last = pc + k >= g.k;
  if (g.row_sums && jc == 0) add_row_sums_exact(g, ic, mc, pc, k, g.row_sums + ic);
  for (long jr = 0; jr < n; jr += NR) {
    long w = n - jr < NR ? n - jr : NR;
    for (long ir = 0; ir < mc; ir += MR) {
      const uint32_t *a = pa + ir * words, *b = pb + jr * words;
      const long row = ic + ir, col = jc + jr;
      tile_rows_bf16(mc - ir, g, words, a, b, row, col, w, first, last);
    }
  }
}
// whether bf16: the caller has asked the CPU
static void set_precision(const double* a, Team&) { bf16_on = a[0] != 0; }
#else
static void pack_b_bf16(bool, long, long, const float*, long, uint32_t*) {}
static void gemm_rows_bf16(const Gemm&, long, long, long, long, long, long, const uint32_t*, uint32_t*) {}
static void set_precision(const double*, Team&) {}
#endif

}  // namespace ZT_NS
