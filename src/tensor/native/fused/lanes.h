// Loops over rows of any length, and reductions across lanes by shuffles.
#pragma once
#include "../transpose.h"

namespace ZT_NS {

// The second half of the lanes moved onto the first, then the second quarter, and so on: the same tree on every width.
#if VL == 16
#define ZT_HALVE_8(v) ZT_SHUFFLE(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 0, 0, 0, 0, 0, 0, 0)
#define ZT_HALVE_4(v) ZT_SHUFFLE(v, v, 4, 5, 6, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
#define ZT_HALVE_2(v) ZT_SHUFFLE(v, v, 2, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
#define ZT_HALVE_1(v) ZT_SHUFFLE(v, v, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
#elif VL == 8
#define ZT_HALVE_4(v) ZT_SHUFFLE(v, v, 4, 5, 6, 7, 0, 0, 0, 0)
#define ZT_HALVE_2(v) ZT_SHUFFLE(v, v, 2, 3, 0, 0, 0, 0, 0, 0)
#define ZT_HALVE_1(v) ZT_SHUFFLE(v, v, 1, 0, 0, 0, 0, 0, 0, 0)
#else
#define ZT_HALVE_2(v) ZT_SHUFFLE(v, v, 2, 3, 0, 0)
#define ZT_HALVE_1(v) ZT_SHUFFLE(v, v, 1, 0, 0, 0)
#endif
static ZT_INLINE float lane_sum(vf v) {
#if VL == 16
  v += ZT_HALVE_8(v);
#endif
#if VL >= 8
  v += ZT_HALVE_4(v);
#endif
  v += ZT_HALVE_2(v);
  v += ZT_HALVE_1(v);
  return v[0];
}
static ZT_INLINE vf larger(vf a, vf b) { return select(b > a, b, a); }
// A lane that is not a number may be passed over.
static ZT_INLINE float lane_max(vf v) {
#if VL == 16
  v = larger(v, ZT_HALVE_8(v));
#endif
#if VL >= 8
  v = larger(v, ZT_HALVE_4(v));
#endif
  v = larger(v, ZT_HALVE_2(v));
  v = larger(v, ZT_HALVE_1(v));
  return v[0];
}

// Bit i is set where lane i of a comparison holds.
static ZT_INLINE unsigned lane_bits(vi mask) {
#if defined(__AVX512F__)
  return (unsigned)_mm512_movepi32_mask((__m512i)mask);
#elif defined(__AVX2__)
  return (unsigned)_mm256_movemask_ps((__m256)mask);
#else
  unsigned bits = 0;
  for (int i = 0; i < VL; i++) bits |= (unsigned)(mask[i] & 1) << i;
  return bits;
#endif
}

template <typename F>
static ZT_INLINE void for_lanes(long n, F f) {  // f(offset, count)
  long j = 0;
  for (; j + VL <= n; j += VL) f(j, (long)VL);
  if (j < n) f(j, n - j);
}
static ZT_INLINE vf load_n(const float* p, long n, float fill = 0) { return n == VL ? load(p) : load_part(p, n, fill); }
static ZT_INLINE void store_n(float* p, vf v, long n) {
  if (n == VL) store(p, v);
  else store_part(p, v, n);
}

}  // namespace ZT_NS
