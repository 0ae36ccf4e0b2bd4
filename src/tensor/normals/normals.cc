/**
 * Normals of Philox4x32-10 (Salmon et al., SC 2011) by Box-Muller, sixteen at a time: four counters, two pairs each.
 *
 * The values are those of the reference in ../normals.ts, bit for bit, by asking each whether it is in doubt (Ziv, "Fast
 * evaluation of elementary mathematical functions with correctly rounded last bit", ACM TOMS 1991): logarithm, sine and
 * cosine come from tables and short polynomials in double precision, and sixteen are kept only where each of them rounds
 * to the same float32 a DOUBT above and below. The others are told to the caller, who computes them by the reference.
 *
 *   L = 2 (32 ln 2 - ln x), x = word + 1: with 1 / c from 256, z = x 2^-e / c - 1, |z| <= 2^-9,
 *       ln x = e ln 2 + ln c + z - z^2/2 + z^3/3 - z^4/4 + z^5/5;               left out: below z^6/6 < 2^-56
 *   angle 2 pi word / 2^32 = i 2 pi / 1024 + r, |r| <= pi / 1024: sin r up to r^3, cos r up to r^4; left out: below 2^-48
 *
 * Times a radius of at most 6.7 that is below 2^-45 together with all rounding, where L >= 2^-10, which is asked for too
 * (the error of a square root grows towards 0). The reference's own functions are good to an ulp or two of a double,
 * which makes less than 2^-47. DOUBT is 2^-42. One group in two hundred is in doubt.
 *
 * A module of its own, single-threaded and with a memory of its own: randomness is there before any backend is chosen.
 */
typedef signed char i8x16 __attribute__((vector_size(16)));
typedef unsigned int u32;
typedef unsigned long long u64;
typedef u32 u32x4 __attribute__((vector_size(16)));
typedef u64 u64x2 __attribute__((vector_size(16)));
typedef int i32x2 __attribute__((vector_size(8)));
typedef u32 u32x2 __attribute__((vector_size(8)));
typedef double f64x2 __attribute__((vector_size(16)));
typedef float f32x4 __attribute__((vector_size(16)));

#define EXPORT(name) extern "C" __attribute__((export_name(#name)))

namespace {

constexpr u32 GROUPS = 256;
constexpr u32 W0 = 0x9e3779b9, W1 = 0xbb67ae85;
constexpr double DOUBT = 0x1p-42, LEAST = 0x1p-10, LN2 = 0x1.62e42fefa39efp-1, TURN = 0x1.921fb54442d18p-30;

/** Volatile, as clang makes the product of two words a slow one of double words where it knows one of them. */
volatile u32x4 m0 = {0xd2511f53, 0xd2511f53, 0xd2511f53, 0xd2511f53};
volatile u32x4 m1 = {0xcd9e8d57, 0xcd9e8d57, 0xcd9e8d57, 0xcd9e8d57};

alignas(16) float values[16 * GROUPS];
u32 doubtful[GROUPS];
/** 1 / c and ln c by the first 8 bits of the mantissa. */
double logarithms[2 * 256];
/** Cosine and sine of i 2 pi / 1024. */
double circle[2 * 1024];

struct Product {
  u32x4 high, low;
};

inline Product product(u32x4 x, u32x4 by) {
  const auto low = [](u32x4 v) { return __builtin_convertvector(__builtin_shufflevector(v, v, 0, 1), u64x2); };
  const auto high = [](u32x4 v) { return __builtin_convertvector(__builtin_shufflevector(v, v, 2, 3), u64x2); };
  const u32x4 left = (u32x4)(low(x) * low(by)), right = (u32x4)(high(x) * high(by));
  return {__builtin_shufflevector(left, right, 1, 3, 5, 7), __builtin_shufflevector(left, right, 0, 2, 4, 6)};
}

/** Rounded to float32, and two zeros. */
inline f32x4 single(f64x2 x) {
  return __builtin_convertvector(__builtin_shufflevector(x, (f64x2){0, 0}, 0, 1, 2, 3), f32x4);
}

/** Cosine, sine, cosine, sine of two pairs. */
inline f32x4 boxMuller(u32x2 first, u32x2 second, u32x4 &doubt) {
  const f64x2 x = __builtin_convertvector(first, f64x2) + 1.0;
  const u64x2 bits = (u64x2)x;
  const u32x2 high = __builtin_shufflevector((u32x4)bits, (u32x4)bits, 1, 3);
  const f64x2 exponent = __builtin_convertvector((i32x2)(high >> 20) - 1023, f64x2);
  const f64x2 mantissa = (f64x2)((bits & 0xfffffffffffffull) | 0x3ff0000000000000ull);
  const u32 m0 = (high[0] >> 12) & 255, m1 = (high[1] >> 12) & 255;
  const f64x2 inverse = {logarithms[2 * m0], logarithms[2 * m1]};
  const f64x2 ln = {logarithms[2 * m0 + 1], logarithms[2 * m1 + 1]};
  const f64x2 z = mantissa * inverse - 1.0;
  const f64x2 series = z * (1.0 + z * (-0.5 + z * (1.0 / 3 + z * (-0.25 + z * 0.2))));
  const f64x2 square = 2.0 * (((32.0 - exponent) * LN2 - ln) - series);
  const f64x2 radius = __builtin_wasm_sqrt_f64x2(square);

  const u32x2 index = (second + (1u << 21)) >> 22;
  const f64x2 r = __builtin_convertvector((i32x2)(second - (index << 22)), f64x2) * TURN;
  const u32 i0 = index[0] & 1023, i1 = index[1] & 1023;
  const f64x2 cosine = {circle[2 * i0], circle[2 * i1]};
  const f64x2 sine = {circle[2 * i0 + 1], circle[2 * i1 + 1]};
  const f64x2 rr = r * r;
  const f64x2 s = r - r * rr * (1.0 / 6);
  const f64x2 c = 1.0 - rr * (0.5 - rr * (1.0 / 24));
  const f64x2 a = radius * (cosine * c - sine * s);
  const f64x2 b = radius * (sine * c + cosine * s);

  const f32x4 a0 = single(a - DOUBT), b0 = single(b - DOUBT);
  doubt |= (u32x4)(a0 != single(a + DOUBT)) | (u32x4)(b0 != single(b + DOUBT)) | (u32x4)(square < LEAST);
  return __builtin_shufflevector(a0, b0, 0, 4, 1, 5);
}

}  // namespace

EXPORT(values_at) float *valuesAt() { return values; }
EXPORT(doubtful_at) u32 *doubtfulAt() { return doubtful; }
EXPORT(logarithms_at) double *logarithmsAt() { return logarithms; }
EXPORT(circle_at) double *circleAt() { return circle; }
EXPORT(most_groups) u32 mostGroups() { return GROUPS; }

/** `values` of the counters [4 (first + g) ... 4 (first + g) + 3], g < groups; returns how many groups are doubtful. */
EXPORT(draw) u32 draw(u32 key0, u32 key1, u32 first, u32 groups) {
  u32 count = 0;
  for (u32 group = 0; group < groups; group++) {
    const u32 block = 4 * (first + group);
    u32x4 c0 = {block, block + 1, block + 2, block + 3}, c1 = {}, c2 = {}, c3 = {};
    u32 k0 = key0, k1 = key1;
#pragma clang loop unroll(full)
    for (int round = 0; round < 10; round++) {
      const Product p = product(c0, m0), q = product(c2, m1);
      c0 = q.high ^ c1 ^ k0;
      c1 = q.low;
      c2 = p.high ^ c3 ^ k1;
      c3 = p.low;
      k0 += W0;
      k1 += W1;
    }
    u32x4 doubt = {};
    f32x4 *rows = (f32x4 *)(values + 16 * group);
#pragma clang loop unroll(full)
    for (int half = 0; half < 2; half++) {
      const auto pick = [half](u32x4 x) {
        return half ? __builtin_shufflevector(x, x, 2, 3) : __builtin_shufflevector(x, x, 0, 1);
      };
      const f32x4 left = boxMuller(pick(c0), pick(c1), doubt), right = boxMuller(pick(c2), pick(c3), doubt);
      rows[2 * half] = __builtin_shufflevector(left, right, 0, 1, 4, 5);
      rows[2 * half + 1] = __builtin_shufflevector(left, right, 2, 3, 6, 7);
    }
    if (__builtin_wasm_any_true_v128((i8x16)doubt)) doubtful[count++] = group;
  }
  return count;
}
