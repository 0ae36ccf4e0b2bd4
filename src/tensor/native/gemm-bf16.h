// The products with bf16 inputs and float32 sums, for CPUs with AVX512_BF16; elsewhere `bf16_on` stays false.
//
// Inputs are rounded to nearest even while they are packed, two neighbours in depth to a word. dpbf16 adds both products
// of a word to a float32 sum; the order is fixed as in float32. Error: 2^-7 relative for each term.
#pragma once

namespace ZT_NS {

// Set by the op `set_precision`; read by every product.
static bool bf16_on = false;

#if VL == 16 && defined(__x86_64__) && defined(ZT_HAS_BF16)
static ZT_INLINE uint32_t round_bf16(float x) {
  uint32_t u;
  __builtin_memcpy(&u, &x, 4);
  if (x != x) return (u >> 16) | 0x40;
  return (u + 0x7fff + ((u >> 16) & 1)) >> 16;
}
static ZT_INLINE uint32_t pair_bf16(float a, float b) { return round_bf16(a) | round_bf16(b) << 16; }
// Vectors of rounded values in the low halves.
static ZT_INLINE vi round_bf16(vf x) {
  vi u = (vi)x;
  vi r = u + splat_i(0x7fff) + ((u >> 16) & 1);
  vi nan = x != x;
  return (((nan & (u | splat_i(0x400000))) | (~nan & r)) >> 16) & splat_i(0xffff);
}

static void pack_b_bf16(bool tb, long k, long n, const float* b, long ldb, uint32_t* o) {
  const long words = (k + 1) / 2;
  for (long j = 0; j < n; j += NR, o += words * NR) {
    long w = n - j < NR ? n - j : NR;
    if (tb) {
      for (long q = 0; q < NR; q++) {
        const float* s = b + (j + q) * ldb;
        for (long p = 0; p < words; p++)
          o[p * NR + q] = q < w ? pair_bf16(s[2 * p], 2 * p + 1 < k ? s[2 * p + 1] : 0) : 0;
      }
      continue;
    }
    for (long p = 0; p < words; p++) {
      const float *s = b + 2 * p * ldb + j, *t = s + ldb;
      const bool odd = 2 * p + 1 >= k;
      for (long q = 0; q < NR; q += VL) {
        long r = w - q < VL ? (w - q < 0 ? 0 : w - q) : VL;
        vf low = r == VL ? load(s + q) : load_part(s + q, r);
        vf high = odd ? splat(0.0f) : r == VL ? load(t + q) : load_part(t + q, r);
        *(viu*)(o + p * NR + q) = round_bf16(low) | round_bf16(high) << 16;
      }
    }
  }
}
static void pack_a_bf16(bool ta, long m, long k, const float* a, long lda, uint32_t* o) {
  const long words = (k + 1) / 2;
  for (long i = 0; i < m; i += MR, o += words * MR) {
    long h = m - i < MR ? m - i : MR;
    for (long q = 0; q < MR; q++) {
      if (q >= h) {
        for (long p = 0; p < words; p++) o[p * MR + q] = 0;
      } else if (ta) {
        const float* s = a + i + q;
        for (long p = 0; p < words; p++)
          o[p * MR + q] = pair_bf16(s[2 * p * lda], 2 * p + 1 < k ? s[(2 * p + 1) * lda] : 0);
      } else {
        const float* s = a + (i + q) * lda;
        for (long p = 0; p < words; p++) o[p * MR + q] = pair_bf16(s[2 * p], 2 * p + 1 < k ? s[2 * p + 1] : 0);
      }
    }
  }
}
template <int H>
__attribute__((target("avx512bf16"))) static void tile_bf16(const Gemm& g, long words, const uint32_t* a, const uint32_t* b,
                                                            long row, long col, long w, bool first, bool last) {
  vf c[H][NV];
#pragma GCC unroll 16
  for (int i = 0; i < H; i++)
#pragma GCC unroll 4
    for (int j = 0; j < NV; j++) c[i][j] = splat(0.0f);
  for (long p = 0; p < words; p++) {
    __m512bh bv[NV];
#pragma GCC unroll 4
    for (int j = 0; j < NV; j++) bv[j] = (__m512bh)_mm512_loadu_si512(b + j * VL);
#pragma GCC unroll 16
    for (int i = 0; i < H; i++) {
      __m512bh av = (__m512bh)_mm512_set1_epi32((int)a[i]);
#pragma GCC unroll 4
      for (int j = 0; j < NV; j++) c[i][j] = (vf)_mm512_dpbf16_ps((__m512)c[i][j], av, bv[j]);
    }
    a += MR;
    b += NR;
  }
  finish_tile<H>(g, c, row, col, w, first, last);
}
static void gemm_rows_bf16(const Gemm& g, long ic, long mc, long jc, long n, long pc, long k, const uint32_t* pb,
                           uint32_t* pa) {
  const long words = (k + 1) / 2;
  pack_a_bf16(g.ta, mc, k, g.ta ? g.a + pc * g.lda + ic : g.a + ic * g.lda + pc, g.lda, pa);
  const bool first = pc == 0, last = pc + k >= g.k;
  if (g.row_sums && jc == 0) {
    // Of the inputs as they are, in float32.
    float* sums = g.row_sums + ic;
    for (long i = 0; i < mc && first; i++) sums[i] = 0;
    if (g.ta)
      for (long p = pc; p < pc + k; p++)
        for (long i = 0; i < mc; i++) sums[i] += g.a[p * g.lda + ic + i];
    else
      for (long i = 0; i < mc; i++)
        for (long p = pc; p < pc + k; p++) sums[i] += g.a[(ic + i) * g.lda + p];
  }
  for (long jr = 0; jr < n; jr += NR) {
    long w = n - jr < NR ? n - jr : NR;
    for (long ir = 0; ir < mc; ir += MR) {
      const uint32_t *a = pa + ir * words, *b = pb + jr * words;
      const long row = ic + ir, col = jc + jr;
      switch (mc - ir) {
        case 1: tile_bf16<1>(g, words, a, b, row, col, w, first, last); break;
        case 2: tile_bf16<2>(g, words, a, b, row, col, w, first, last); break;
        case 3: tile_bf16<3>(g, words, a, b, row, col, w, first, last); break;
        case 4: tile_bf16<4>(g, words, a, b, row, col, w, first, last); break;
        case 5: tile_bf16<5>(g, words, a, b, row, col, w, first, last); break;
        case 6: tile_bf16<6>(g, words, a, b, row, col, w, first, last); break;
        case 7: tile_bf16<7>(g, words, a, b, row, col, w, first, last); break;
        default: tile_bf16<8>(g, words, a, b, row, col, w, first, last);
      }
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
