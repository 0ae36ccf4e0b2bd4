// Products with bf16 inputs and float32 sums, for CPUs with AVX512_BF16; elsewhere `bf16_on` stays false.
//
// Inputs are rounded to nearest even, two neighbours in depth to a word. dpbf16 adds both products of a word to a float32
// sum; the order is fixed as in float32. Error: 2^-7 relative for each term.
#pragma once
#include "transpose.h"

namespace ZT_NS {

// Set by the op `set_precision`; read by every product.
static bool bf16_on = false;

// VL numbers stored in bf16, which are the upper halves of floats.
typedef uint16_t vsu __attribute__((vector_size(VL * 2), aligned(2)));
typedef uint32_t vw __attribute__((vector_size(VL * 4)));
static ZT_INLINE vf load(const uint16_t* p) { return (vf)(__builtin_convertvector(*(const vsu*)p, vw) << 16); }
// The first n of them; the others are zero.
static ZT_INLINE vf load_part(const uint16_t* p, long n) {
  uint16_t all[VL] = {};
  for (long i = 0; i < n; i++) all[i] = p[i];
  return load(all);
}
// Rounded to nearest even; what is not a number stays so.
static ZT_INLINE void store(uint16_t* p, vf v) {
  const vw bits = (vw)v, rounded = bits + 0x7fff + (bits >> 16 & 1);
  const vw kept = v == v ? rounded : bits | 0x400000;
  *(vsu*)p = __builtin_convertvector(kept >> 16, vsu);
}

// One step of the depth of a product: a factor for all lanes (a float, or a word of two bf16) times those of the lanes.
static ZT_INLINE vf step(float a, vf b, vf c) { return fma(splat(a), b, c); }

#if VL == 16 && defined(__x86_64__) && defined(ZT_HAS_BF16)
#define ZT_BF16_COMPILED 1
// Of every function that takes words: the CPU is asked before one is called.
#define ZT_BF16 __attribute__((target("avx512bf16")))

ZT_BF16 static ZT_INLINE vf step(uint32_t a, vf b, vf c) {
  return (vf)_mm512_dpbf16_ps((__m512)c, (__m512bh)_mm512_set1_epi32((int)a), (__m512bh)b);
}
// 16 words: the neighbours of p[0..31] (n of them exist) as pairs.
ZT_BF16 static ZT_INLINE vi pairs_along(const float* p, long n) {
  const vf low = n >= VL ? load(p) : load_part(p, n > 0 ? n : 0);
  const vf high = n >= 2 * VL ? load(p + VL) : load_part(p + VL, n > VL ? n - VL : 0);
  return (vi)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low);
}
// 16 words: lane i pairs low[i] with high[i].
ZT_BF16 static ZT_INLINE vi pairs(vf low, vf high) {
  const __m512i order = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6, 21, 5,
                                         20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  return (vi)_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh((__m512)high, (__m512)low));
}
// The same of p[i] and q[i] (n lanes exist; q may be null).
ZT_BF16 static ZT_INLINE vi pairs_across(const float* p, const float* q, long n) {
  const vf low = n >= VL ? load(p) : load_part(p, n > 0 ? n : 0);
  return pairs(low, !q ? splat(0.0f) : n >= VL ? load(q) : load_part(q, n > 0 ? n : 0));
}
// 16 words of depth from `at` of VL rows (n of them exist), transposed: r[p] holds word at + p of every row.
ZT_BF16 static ZT_INLINE void words_of_rows(const float* x, long ld, long n, long at, long k, vf* r) {
#pragma GCC unroll 16
  for (int i = 0; i < VL; i++) r[i] = i < n ? (vf)pairs_along(x + i * ld + 2 * at, k - 2 * at) : splat(0.0f);
  transpose(r);
}

// whether bf16: the caller has asked the CPU
static void set_precision(const double* a, Team&) { bf16_on = a[0] != 0; }
#else
#define ZT_BF16
static ZT_INLINE vf step(uint32_t, vf, vf c) { return c; }
static void set_precision(const double*, Team&) {}
#endif

}  // namespace ZT_NS
