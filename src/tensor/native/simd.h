// Vectors of VL floats (16 AVX-512, 8 AVX2, 4 SSE2 / NEON / wasm) in GCC vector extensions, and the functions of
// them that kernels need. Every function treats lanes alike, and tails go through the same code, so that a value
// does not depend on where in a tensor it lies.
//
// exp, log: Cephes-style polynomials (Moshier, "Methods and Programs for Mathematical Functions", 1989), <= 2 ulp.
// erf: Abramowitz-Stegun 7.1.26 is too coarse; the rational form of Eigen/Cephes on [-4, 4] is used (<= 4 ulp).
#pragma once
#include "team.h"
#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define VL 16
#elif defined(__AVX2__)
#define VL 8
#else
#define VL 4
#endif

namespace ZT_NS {

typedef float vf __attribute__((vector_size(VL * 4)));
typedef int32_t vi __attribute__((vector_size(VL * 4)));
typedef float vfu __attribute__((vector_size(VL * 4), aligned(4)));
typedef int32_t viu __attribute__((vector_size(VL * 4), aligned(4)));

static ZT_INLINE vf load(const float* p) { return *(const vfu*)p; }
static ZT_INLINE void store(float* p, vf v) { *(vfu*)p = v; }
static ZT_INLINE vf splat(float x) {
#if VL == 16
  return (vf){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#elif VL == 8
  return (vf){x, x, x, x, x, x, x, x};
#else
  return (vf){x, x, x, x};
#endif
}
static ZT_INLINE vi splat_i(int32_t x) {
#if VL == 16
  return (vi){x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x};
#elif VL == 8
  return (vi){x, x, x, x, x, x, x, x};
#else
  return (vi){x, x, x, x};
#endif
}
// The first n lanes (n <= VL); the others are `fill`.
static ZT_INLINE vf load_part(const float* p, long n, float fill = 0) {
  vf v = splat(fill);
  for (long i = 0; i < n; i++) v[i] = p[i];
  return v;
}
static ZT_INLINE void store_part(float* p, vf v, long n) {
  for (long i = 0; i < n; i++) p[i] = v[i];
}

// Fetches the line at p: to write to it next, or, into the second level, to read it a while later. Changes no value.
enum { LINE = 16 };  // floats of a line
static ZT_INLINE void fetch_to_write(const float* p) {
#if !defined(__wasm__)
  __builtin_prefetch(p, 1, 3);
#endif
}
static ZT_INLINE void fetch_soon(const float* p) {
#if !defined(__wasm__)
  __builtin_prefetch(p, 0, 2);
#endif
}

// a*b+c; fused where the machine has it, always in the same way within one build.
static ZT_INLINE vf fma(vf a, vf b, vf c) {
#if defined(__AVX512F__)
  return (vf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__AVX2__)
  return (vf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#else
  return a * b + c;
#endif
}
static ZT_INLINE vf select(vi mask, vf a, vf b) { return mask ? a : b; }
// NaN in either operand gives NaN.
static ZT_INLINE vf max(vf a, vf b) {
  vf m = select(a > b, a, b);
  return select(a != a, a, m);
}
static ZT_INLINE vf min(vf a, vf b) {
  vf m = select(a < b, a, b);
  return select(a != a, a, m);
}
static ZT_INLINE vf abs(vf a) { return (vf)((vi)a & splat_i(0x7fffffff)); }
static ZT_INLINE vf sqrt(vf a) {
#if defined(__AVX512F__)
  return (vf)_mm512_sqrt_ps((__m512)a);
#elif defined(__AVX2__)
  return (vf)_mm256_sqrt_ps((__m256)a);
#else
  vf r;
  for (int i = 0; i < VL; i++) r[i] = __builtin_sqrtf(a[i]);
  return r;
#endif
}

// Sums and maxima of the lanes, always in the same tree.
static ZT_INLINE float sum_lanes(vf v) {
  float t[VL];
  store(t, v);
  for (int w = VL / 2; w > 0; w /= 2)
    for (int i = 0; i < w; i++) t[i] += t[i + w];
  return t[0];
}
static ZT_INLINE float max_lanes(vf v) {
  float t[VL];
  store(t, v);
  for (int w = VL / 2; w > 0; w /= 2)
    for (int i = 0; i < w; i++) t[i] = t[i] != t[i] || t[i] > t[i + w] ? t[i] : t[i + w];
  return t[0];
}

static ZT_INLINE vf scale_by_power(vf y, vi n) {
  vi half = n >> 1;
  vf a = (vf)((half + 127) << 23);
  vf b = (vf)((n - half + 127) << 23);
  return y * a * b;
}
static ZT_INLINE vf round_even(vf x) {
  const vf magic = splat(12582912.0f);
  return (x + magic) - magic;
}
static ZT_INLINE vf exp(vf x) {
#if defined(__AVX512F__)
  // Operand orders that let a NaN through; scalef over- and underflows as it should.
  const __m512 c = _mm512_max_ps(_mm512_set1_ps(-104.0f), _mm512_min_ps(_mm512_set1_ps(89.0f), (__m512)x));
  const __m512 whole = _mm512_roundscale_ps(_mm512_mul_ps(c, _mm512_set1_ps(1.44269504088896341f)), 0);
  const vf n = (vf)whole;
  vf r = fma(n, splat(-0.693359375f), (vf)c);
#else
  vf c = select(x > splat(89.0f), splat(89.0f), x);
  c = select(c < splat(-104.0f), splat(-104.0f), c);
  vf n = round_even(c * splat(1.44269504088896341f));
  vf r = fma(n, splat(-0.693359375f), c);
#endif
  r = fma(n, splat(2.12194440e-4f), r);
  vf p = splat(1.9875691500e-4f);
  p = fma(p, r, splat(1.3981999507e-3f));
  p = fma(p, r, splat(8.3334519073e-3f));
  p = fma(p, r, splat(4.1665795894e-2f));
  p = fma(p, r, splat(1.6666665459e-1f));
  p = fma(p, r, splat(5.0000001201e-1f));
  vf y = fma(p * r, r, r) + splat(1.0f);
#if defined(__AVX512F__)
  return (vf)_mm512_scalef_ps((__m512)y, whole);
#else
  vi whole = __builtin_convertvector(select(c == c, n, splat(0)), vi);
  return select(x == x, scale_by_power(y, whole), x);
#endif
}
static ZT_INLINE vf log(vf x) {
  vi tiny = x < splat(1.17549435e-38f);
  vf scaled = select(tiny, x * splat(16777216.0f), x);
  vi bits = (vi)scaled;
  vi e = ((bits >> 23) & 255) - 126;
  vf m = (vf)((bits & splat_i(0x007fffff)) | splat_i(0x3f000000));
  vi low = m < splat(0.707106781186547524f);
  e += low;  // true is -1
  m = select(low, m + m, m) - splat(1.0f);
  vf ef = __builtin_convertvector(e, vf) - select(tiny, splat(24.0f), splat(0.0f));
  vf p = splat(7.0376836292e-2f);
  p = fma(p, m, splat(-1.1514610310e-1f));
  p = fma(p, m, splat(1.1676998740e-1f));
  p = fma(p, m, splat(-1.2420140846e-1f));
  p = fma(p, m, splat(1.4249322787e-1f));
  p = fma(p, m, splat(-1.6668057665e-1f));
  p = fma(p, m, splat(2.0000714765e-1f));
  p = fma(p, m, splat(-2.4999993993e-1f));
  p = fma(p, m, splat(3.3333331174e-1f));
  vf z = m * m;
  vf y = m * z * p;
  y = fma(ef, splat(-2.12194440e-4f), y);
  y = fma(z, splat(-0.5f), y);
  vf r = fma(ef, splat(0.693359375f), m + y);
  r = select(x == splat(__builtin_inff()), x, r);
  r = select(x == splat(0.0f), splat(-__builtin_inff()), r);
  return select(x < splat(0.0f), splat(__builtin_nanf("")), select(x == x, r, x));
}
static ZT_INLINE vf sigmoid(vf x) { return splat(1.0f) / (splat(1.0f) + exp(-x)); }
// tanh: odd polynomial (Cephes) near 0, where 1 - 2/(e+1) would cancel.
static ZT_INLINE vf tanh(vf x) {
  vf a = abs(x);
  vf big = splat(1.0f) - splat(2.0f) / (exp(a + a) + splat(1.0f));
  vf z = x * x;
  vf p = splat(-5.70498872745e-3f);
  p = fma(p, z, splat(2.06390887954e-2f));
  p = fma(p, z, splat(-5.37397155531e-2f));
  p = fma(p, z, splat(1.33314422036e-1f));
  p = fma(p, z, splat(-3.33332819422e-1f));
  vf small = fma(p * z, x, x);
  vf signed_big = (vf)((vi)big | ((vi)x & splat_i((int32_t)0x80000000)));
  return select(x == x, select(a < splat(0.625f), small, signed_big), x);
}
static ZT_INLINE vf erf(vf x) {
  vf c = select(x > splat(4.0f), splat(4.0f), select(x < splat(-4.0f), splat(-4.0f), x));
  vf z = c * c;
  vf p = splat(-2.72614225801306e-10f);
  p = fma(p, z, splat(2.77068142495902e-08f));
  p = fma(p, z, splat(-2.10102402082508e-06f));
  p = fma(p, z, splat(-5.69250639462346e-05f));
  p = fma(p, z, splat(-7.34990630326855e-04f));
  p = fma(p, z, splat(-2.95459980854025e-03f));
  p = fma(p, z, splat(-1.60960333262415e-02f));
  vf q = splat(-1.45660718464996e-05f);
  q = fma(q, z, splat(-2.13374055278905e-04f));
  q = fma(q, z, splat(-1.68282697438203e-03f));
  q = fma(q, z, splat(-7.37332916720468e-03f));
  q = fma(q, z, splat(-1.42647390514189e-02f));
  return c * p / q;
}
// GELU, tanh form: x/2 (1 + tanh(sqrt(2/pi)(x + 0.044715 x^3))) = x * sigmoid(2 sqrt(2/pi)(x + 0.044715 x^3)).
static ZT_INLINE vf gelu(vf x) {
  vf u = x * fma(x * x, splat(2 * 0.7978845608f * 0.044715f), splat(2 * 0.7978845608f));
  return x * sigmoid(u);
}
static ZT_INLINE vf silu(vf x) { return x * sigmoid(x); }

// Applies f to n elements; the tail runs the same vector code on a padded vector.
template <typename F>
static ZT_INLINE void map1(const float* x, float* o, long n, F f) {
  long i = 0;
  for (; i + VL <= n; i += VL) store(o + i, f(load(x + i)));
  if (i < n) store_part(o + i, f(load_part(x + i, n - i)), n - i);
}
template <typename F>
static ZT_INLINE void map2(const float* x, const float* y, float* o, long n, F f) {
  long i = 0;
  for (; i + VL <= n; i += VL) store(o + i, f(load(x + i), load(y + i)));
  if (i < n) store_part(o + i, f(load_part(x + i, n - i), load_part(y + i, n - i)), n - i);
}

// Arguments travel as doubles: pointers, integers, floats.
template <typename T = float>
static ZT_INLINE T* ptr(double x) {
  return (T*)(uintptr_t)x;
}

}  // namespace ZT_NS
