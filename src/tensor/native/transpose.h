// Shuffles of lanes, and the transposition of VL vectors in log2(VL) steps.
#pragma once
#include "simd.h"

#if defined(__clang__)
#define ZT_SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define ZT_SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vi){__VA_ARGS__})
#endif

namespace ZT_NS {

// Of two vectors, the lanes without (low) and with (high) one bit of their number, those of the second vector moved by
// that bit: the step of a transposition.
#if VL == 16
#define ZT_LOW_1(a, b) ZT_SHUFFLE(a, b, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
#define ZT_HIGH_1(a, b) ZT_SHUFFLE(a, b, 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31)
#define ZT_LOW_2(a, b) ZT_SHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define ZT_HIGH_2(a, b) ZT_SHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define ZT_LOW_4(a, b) ZT_SHUFFLE(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
#define ZT_HIGH_4(a, b) ZT_SHUFFLE(a, b, 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31)
#define ZT_LOW_8(a, b) ZT_SHUFFLE(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define ZT_HIGH_8(a, b) ZT_SHUFFLE(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#elif VL == 8
#define ZT_LOW_1(a, b) ZT_SHUFFLE(a, b, 0, 8, 2, 10, 4, 12, 6, 14)
#define ZT_HIGH_1(a, b) ZT_SHUFFLE(a, b, 1, 9, 3, 11, 5, 13, 7, 15)
#define ZT_LOW_2(a, b) ZT_SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define ZT_HIGH_2(a, b) ZT_SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define ZT_LOW_4(a, b) ZT_SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define ZT_HIGH_4(a, b) ZT_SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
#else
#define ZT_LOW_1(a, b) ZT_SHUFFLE(a, b, 0, 4, 2, 6)
#define ZT_HIGH_1(a, b) ZT_SHUFFLE(a, b, 1, 5, 3, 7)
#define ZT_LOW_2(a, b) ZT_SHUFFLE(a, b, 0, 1, 4, 5)
#define ZT_HIGH_2(a, b) ZT_SHUFFLE(a, b, 2, 3, 6, 7)
#endif
// For every pair of rows that differ in this bit.
#define ZT_PAIRS(bit, body)                                                   \
  _Pragma("GCC unroll 16") for (int i = 0; i < VL; i++) if (!(i & bit)) {     \
    const int other = i | bit;                                                \
    const vf a = r[i], b = r[other], low = ZT_LOW_##bit(a, b), high = ZT_HIGH_##bit(a, b); \
    body                                                                      \
  }
#if VL == 16
#define ZT_EVERY_BIT(body) ZT_PAIRS(1, body) ZT_PAIRS(2, body) ZT_PAIRS(4, body) ZT_PAIRS(8, body)
#elif VL == 8
#define ZT_EVERY_BIT(body) ZT_PAIRS(1, body) ZT_PAIRS(2, body) ZT_PAIRS(4, body)
#else
#define ZT_EVERY_BIT(body) ZT_PAIRS(1, body) ZT_PAIRS(2, body)
#endif
static ZT_INLINE void transpose(vf* r) { ZT_EVERY_BIT(r[i] = low; r[other] = high;) }
// Lane i of the result is the sum of the lanes of r[i].
static ZT_INLINE vf fold(vf* r) {
  ZT_EVERY_BIT(if ((i & (other - i - 1)) == 0) r[i] = low + high;)
  return r[0];
}

}  // namespace ZT_NS
