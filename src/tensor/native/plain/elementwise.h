// Elementwise kernels with broadcasting, generated from templates; one entry for each operation and element type.
//
// Functions that the vector header lacks go through the double-precision functions of the platform (libm, or Math of
// JavaScript on wasm): slower, exact.
#pragma once
#include "../simd.h"

namespace ZT_NS {

enum { UNIT = 4096 };  // elements a thread takes at a time

// rank, sizes[rank], strides of a[rank], strides of b[rank], a, b, out; the innermost strides are 0 or 1.
template <typename TI, typename TO, typename F>
static ZT_INLINE void binary_run(const double* x, Team& team, F inner) {
  const long rank = (long)x[0];
  const double *sizes = x + 1, *sa = sizes + rank, *sb = sa + rank;
  const TI *a = ptr<const TI>(sb[rank]), *b = ptr<const TI>(sb[rank + 1]);
  TO* o = ptr<TO>(sb[rank + 2]);
  const long n = (long)sizes[rank - 1], ia = (long)sa[rank - 1], ib = (long)sb[rank - 1];
  long rows = 1;
  for (long d = 0; d < rank - 1; d++) rows *= (long)sizes[d];
  const long units = (n + UNIT - 1) / UNIT;
  long from, to;
  team.range(rows * units, from, to);
  for (long u = from; u < to;) {
    long row = u / units, part = u % units, oa = 0, ob = 0;
    for (long d = rank - 2, r = row; d >= 0; d--) {
      long size = (long)sizes[d], i = r % size;
      r /= size;
      oa += i * (long)sa[d];
      ob += i * (long)sb[d];
    }
    long parts = units - part < to - u ? units - part : to - u;
    long begin = part * UNIT, end = (part + parts) * UNIT < n ? (part + parts) * UNIT : n;
    inner(a + oa + begin * ia, ia, b + ob + begin * ib, ib, o + row * n + begin, end - begin);
    u += parts;
  }
}
template <typename F>
static ZT_INLINE void binary_vector(const double* x, Team& team, F f) {
  binary_run<float, float>(x, team, [f](const float* a, long ia, const float* b, long ib, float* o, long n) {
    if (ia && ib) return map2(a, b, o, n, f);
    if (ia) {
      vf y = splat(*b);
      return map1(a, o, n, [f, y](vf v) { return f(v, y); });
    }
    vf w = splat(*a);
    if (ib) return map1(b, o, n, [f, w](vf v) { return f(w, v); });
    float v = f(w, splat(*b))[0];
    for (long i = 0; i < n; i++) o[i] = v;
  });
}
template <typename TI, typename TO, typename F>
static ZT_INLINE void binary_scalar(const double* x, Team& team, F f) {
  binary_run<TI, TO>(x, team, [f](const TI* a, long ia, const TI* b, long ib, TO* o, long n) {
    if (ia && ib)
      for (long i = 0; i < n; i++) o[i] = f(a[i], b[i]);
    else if (ia) {
      TI y = *b;
      for (long i = 0; i < n; i++) o[i] = f(a[i], y);
    } else if (ib) {
      TI y = *a;
      for (long i = 0; i < n; i++) o[i] = f(y, b[i]);
    } else {
      TO v = f(*a, *b);
      for (long i = 0; i < n; i++) o[i] = v;
    }
  });
}
#define ZT_F32(name, expr) \
  static void f32_##name(const double* x, Team& t) { binary_vector(x, t, [](vf a, vf b) -> vf { return expr; }); }
#define ZT_SCALAR(prefix, TI, TO, name, expr) \
  static void prefix##_##name(const double* x, Team& t) { binary_scalar<TI, TO>(x, t, [](TI a, TI b) -> TO { return expr; }); }

ZT_F32(add, a + b)
ZT_F32(sub, a - b)
ZT_F32(mul, a* b)
ZT_F32(div, a / b)
ZT_F32(max, max(a, b))
ZT_F32(min, min(a, b))
ZT_F32(sqdiff, (a - b) * (a - b))
ZT_F32(prelu, select(a < splat(0.0f), a * b, a))
// dy, y of elu: dy where y >= 0, dy (y + 1) elsewhere
ZT_F32(elugrad, select(b >= splat(0.0f), a, a*(b + splat(1.0f))))
ZT_SCALAR(f32, float, float, pow, (float)__builtin_pow(a, b))
ZT_SCALAR(f32, float, float, atan2, (float)__builtin_atan2(a, b))
static ZT_INLINE double modulo(double a, double b) {
  double r = __builtin_fmod(a, b);
  return (a < 0) == (b < 0) ? r : __builtin_fmod(r + b, b);
}
ZT_SCALAR(f32, float, float, mod, (float)modulo(a, b))

static ZT_INLINE int32_t wrap(double v) {
  if (!(v > -9e15 && v < 9e15)) return 0;
  return (int32_t)(uint32_t)(uint64_t)(int64_t)v;
}
ZT_SCALAR(f32, float, int32_t, floordiv, wrap(__builtin_floor((double)a / (double)b)))
static ZT_INLINE int32_t floor_divide(int32_t a, int32_t b) {
  if (b == 0) return 0;
  int64_t q = (int64_t)a / b;
  return (int32_t)(q - (((int64_t)a % b != 0) && ((a < 0) != (b < 0))));
}
ZT_SCALAR(i32, int32_t, int32_t, add, (int32_t)((uint32_t)a + (uint32_t)b))
ZT_SCALAR(i32, int32_t, int32_t, sub, (int32_t)((uint32_t)a - (uint32_t)b))
ZT_SCALAR(i32, int32_t, int32_t, mul, (int32_t)((uint32_t)a * (uint32_t)b))
ZT_SCALAR(i32, int32_t, int32_t, div, b == 0 ? 0 : (int32_t)((int64_t)a / b))
ZT_SCALAR(i32, int32_t, int32_t, max, a > b ? a : b)
ZT_SCALAR(i32, int32_t, int32_t, min, a < b ? a : b)
ZT_SCALAR(i32, int32_t, int32_t, sqdiff, (int32_t)(((uint32_t)a - (uint32_t)b) * ((uint32_t)a - (uint32_t)b)))
ZT_SCALAR(i32, int32_t, int32_t, pow, wrap(__builtin_pow(a, b)))
ZT_SCALAR(i32, int32_t, int32_t, floordiv, floor_divide(a, b))
ZT_SCALAR(i32, int32_t, int32_t, mod, b == 0 ? 0 : wrap(modulo(a, b)))

#define ZT_COMPARE(name, op)                           \
  ZT_SCALAR(f32, float, uint8_t, name, (uint8_t)(a op b)) \
  ZT_SCALAR(i32, int32_t, uint8_t, name, (uint8_t)(a op b)) \
  ZT_SCALAR(u8, uint8_t, uint8_t, name, (uint8_t)(a op b))
ZT_COMPARE(equal, ==)
ZT_COMPARE(notequal, !=)
ZT_COMPARE(greater, >)
ZT_COMPARE(greaterequal, >=)
ZT_COMPARE(less, <)
ZT_COMPARE(lessequal, <=)
ZT_SCALAR(u8, uint8_t, uint8_t, and, (uint8_t)(a && b))
ZT_SCALAR(u8, uint8_t, uint8_t, or, (uint8_t)(a || b))

// n, x, out, p, q
template <typename TI, typename TO, typename F>
static ZT_INLINE void unary_scalar(const double* a, Team& team, F f) {
  long from, to;
  team.range((long)a[0], from, to, UNIT);
  const TI* x = ptr<const TI>(a[1]);
  TO* o = ptr<TO>(a[2]);
  const double p = a[3], q = a[4];
  for (long i = from; i < to; i++) o[i] = f(x[i], p, q);
}
#define ZT_UNARY(name, expr)                                                                 \
  static void unary_##name(const double* a, Team& team) {                                    \
    long from, to;                                                                           \
    team.range((long)a[0], from, to, UNIT);                                                  \
    const vf p = splat((float)a[3]), q = splat((float)a[4]), zero = splat(0.0f), one = splat(1.0f); \
    (void)p, (void)q, (void)zero, (void)one;                                                 \
    map1(ptr<const float>(a[1]) + from, ptr<float>(a[2]) + from, to - from, [=](vf x) -> vf { return expr; }); \
  }
#define ZT_UNARY_SCALAR(name, TI, TO, expr) \
  static void name(const double* a, Team& t) { \
    unary_scalar<TI, TO>(a, t, [](TI x, double p, double q) -> TO { (void)p, (void)q; return expr; }); \
  }
#define ZT_UNARY_MATH(name, f) ZT_UNARY_SCALAR(unary_##name, float, float, (float)f(x))

static ZT_INLINE vf sign(vf x) {
  return select(x > splat(0.0f), splat(1.0f), select(x < splat(0.0f), splat(-1.0f), splat(0.0f)));  // of NaN: 0, as in tfjs
}
static ZT_INLINE vf floor(vf x) {
  vf r = round_even(x);
  r = select(r > x, r - splat(1.0f), r);
  r = (vf)((vi)r | ((vi)x & splat_i((int32_t)0x80000000)));  // of -0: -0
  return select(abs(x) < splat(4194304.0f), r, x);
}
static ZT_INLINE vf elu(vf x, vf alpha) {
  // exp(x) - 1 cancels near 0: there x + x^2/2 + x^3/6 is exact to rounding.
  vf near = fma(x * x, fma(x, splat(1.0f / 6), splat(0.5f)), x);
  vf m = select(x > splat(-0.01f), near, exp(x) - splat(1.0f));
  return select(x >= splat(0.0f), x, alpha * m);
}
static ZT_INLINE vf softplus(vf x) {
  // log(1 + e^x) = max(x, 0) + log1p(e^-|x|), with log1p(u) = u - u^2/2 + u^3/3 where 1 + u rounds
  vf u = exp(-abs(x));
  vf small = u * fma(u, fma(u, splat(1.0f / 3), splat(-0.5f)), splat(1.0f));
  return max(x, splat(0.0f)) + select(u < splat(0.01f), small, log(splat(1.0f) + u));
}
ZT_UNARY(neg, -x)
ZT_UNARY(abs, abs(x))
ZT_UNARY(exp, exp(x))
ZT_UNARY(log, log(x))
ZT_UNARY(sqrt, sqrt(x))
ZT_UNARY(rsqrt, one / sqrt(x))
ZT_UNARY(square, x* x)
ZT_UNARY(tanh, tanh(x))
ZT_UNARY(sigmoid, sigmoid(x))
ZT_UNARY(erf, erf(x))
ZT_UNARY(relu, max(x, zero))
ZT_UNARY(relu6, min(max(x, zero), splat(6.0f)))
ZT_UNARY(leakyrelu, select(x < zero, x * p, x))
ZT_UNARY(elu, elu(x, one))
ZT_UNARY(selu, splat(1.0507009873554805f) * elu(x, splat(1.6732632423543772f)))
ZT_UNARY(softplus, softplus(x))
ZT_UNARY(reciprocal, one / x)
ZT_UNARY(floor, floor(x))
ZT_UNARY(ceil, -floor(-x))
ZT_UNARY(round, select(abs(x) < splat(4194304.0f), round_even(x), x))
ZT_UNARY(sign, sign(x))
ZT_UNARY(step, select(x == x, select(x > zero, one, p), x))
ZT_UNARY(clip, select(x > q, q, select(x < p, p, x)))
ZT_UNARY(gelu, gelu(x))
ZT_UNARY(silu, silu(x))
ZT_UNARY_MATH(sin, __builtin_sin)
ZT_UNARY_MATH(cos, __builtin_cos)
ZT_UNARY_MATH(tan, __builtin_tan)
ZT_UNARY_MATH(asin, __builtin_asin)
ZT_UNARY_MATH(acos, __builtin_acos)
ZT_UNARY_MATH(atan, __builtin_atan)
ZT_UNARY_MATH(sinh, __builtin_sinh)
ZT_UNARY_MATH(cosh, __builtin_cosh)
ZT_UNARY_MATH(asinh, __builtin_asinh)
ZT_UNARY_MATH(acosh, __builtin_acosh)
ZT_UNARY_MATH(atanh, __builtin_atanh)
ZT_UNARY_MATH(expm1, __builtin_expm1)
ZT_UNARY_MATH(log1p, __builtin_log1p)
ZT_UNARY_SCALAR(unary_isnan, float, uint8_t, (uint8_t)(x != x))
ZT_UNARY_SCALAR(unary_isinf, float, uint8_t, (uint8_t)(x - x != x - x && x == x))
ZT_UNARY_SCALAR(unary_isfinite, float, uint8_t, (uint8_t)(x - x == 0))
ZT_UNARY_SCALAR(unary_not, uint8_t, uint8_t, (uint8_t)!x)
ZT_UNARY_SCALAR(unary_i32_neg, int32_t, int32_t, (int32_t)(0u - (uint32_t)x))
ZT_UNARY_SCALAR(unary_i32_abs, int32_t, int32_t, x < 0 ? (int32_t)(0u - (uint32_t)x) : x)
ZT_UNARY_SCALAR(unary_i32_square, int32_t, int32_t, (int32_t)((uint32_t)x * (uint32_t)x))
ZT_UNARY_SCALAR(unary_i32_sign, int32_t, int32_t, (x > 0) - (x < 0))
ZT_UNARY_SCALAR(unary_i32_relu, int32_t, int32_t, x > 0 ? x : 0)
ZT_UNARY_SCALAR(unary_i32_clip, int32_t, int32_t, x > q ? (int32_t)q : x < p ? (int32_t)p : x)

ZT_UNARY_SCALAR(cast_f32_i32, float, int32_t, wrap(x))
ZT_UNARY_SCALAR(cast_i32_f32, int32_t, float, (float)x)
ZT_UNARY_SCALAR(cast_u8_f32, uint8_t, float, (float)x)
ZT_UNARY_SCALAR(cast_u8_i32, uint8_t, int32_t, (int32_t)x)
ZT_UNARY_SCALAR(cast_f32_u8, float, uint8_t, (uint8_t)(x != 0))
ZT_UNARY_SCALAR(cast_i32_u8, int32_t, uint8_t, (uint8_t)(x != 0))

// n, bytes of an element (1 or 4), bits of the value, out
static void fill(const double* a, Team& team) {
  long from, to;
  team.range((long)a[0], from, to, UNIT);
  if (a[1] == 1) {
    uint8_t *o = ptr<uint8_t>(a[3]), v = (uint8_t)a[2];
    for (long i = from; i < to; i++) o[i] = v;
  } else {
    uint32_t *o = ptr<uint32_t>(a[3]), v = (uint32_t)a[2];
    for (long i = from; i < to; i++) o[i] = v;
  }
}
// n, stride of the condition (inner elements that share one), condition, a, b, out, bytes of an element
static void choose(const double* a, Team& team) {
  long n = (long)a[0], share = (long)a[1], from, to;
  team.range(n, from, to, UNIT);
  const uint8_t* c = ptr<const uint8_t>(a[2]);
  if (a[6] == 1) {
    const uint8_t *x = ptr<const uint8_t>(a[3]), *y = ptr<const uint8_t>(a[4]);
    uint8_t* o = ptr<uint8_t>(a[5]);
    for (long i = from; i < to; i++) o[i] = c[i / share] ? x[i] : y[i];
    return;
  }
  const uint32_t *x = ptr<const uint32_t>(a[3]), *y = ptr<const uint32_t>(a[4]);
  uint32_t* o = ptr<uint32_t>(a[5]);
  if (share == 1)
    for (long i = from; i < to; i++) o[i] = c[i] ? x[i] : y[i];
  else
    for (long i = from; i < to; i++) o[i] = c[i / share] ? x[i] : y[i];
}
// n, terms, out, then a pointer for each term: their sum, in order
static void add_n(const double* a, Team& team) {
  long n = (long)a[0], terms = (long)a[1], from, to;
  team.range(n, from, to, UNIT);
  float* o = ptr<float>(a[2]);
  for (long b = from; b < to; b += UNIT) {
    long e = b + UNIT < to ? b + UNIT : to;
    const float* first = ptr<const float>(a[3]);
    for (long i = b; i < e; i++) o[i] = first[i];
    for (long t = 1; t < terms; t++) {
      const float* x = ptr<const float>(a[3 + t]);
      for (long i = b; i < e; i++) o[i] += x[i];
    }
  }
}

}  // namespace ZT_NS

#define ZT_COMPARE_OPS(X, t) \
  X(t##_equal) X(t##_notequal) X(t##_greater) X(t##_greaterequal) X(t##_less) X(t##_lessequal)
#define ZT_ELEMENTWISE_OPS(X)                                                                                      \
  X(f32_add) X(f32_sub) X(f32_mul) X(f32_div) X(f32_max) X(f32_min) X(f32_sqdiff) X(f32_prelu) X(f32_elugrad)      \
  X(f32_pow) X(f32_atan2) X(f32_floordiv) X(f32_mod)                                                               \
  X(i32_add) X(i32_sub) X(i32_mul) X(i32_div) X(i32_max) X(i32_min) X(i32_sqdiff) X(i32_pow) X(i32_floordiv) X(i32_mod) \
  ZT_COMPARE_OPS(X, f32) ZT_COMPARE_OPS(X, i32) ZT_COMPARE_OPS(X, u8) X(u8_and) X(u8_or)                           \
  X(unary_neg) X(unary_abs) X(unary_exp) X(unary_log) X(unary_sqrt) X(unary_rsqrt) X(unary_square) X(unary_tanh)   \
  X(unary_sigmoid) X(unary_erf) X(unary_relu) X(unary_relu6) X(unary_leakyrelu) X(unary_elu) X(unary_selu)         \
  X(unary_softplus) X(unary_reciprocal) X(unary_floor) X(unary_ceil) X(unary_round) X(unary_sign) X(unary_step)    \
  X(unary_clip) X(unary_gelu) X(unary_silu) X(unary_sin) X(unary_cos) X(unary_tan) X(unary_asin) X(unary_acos)     \
  X(unary_atan) X(unary_sinh) X(unary_cosh) X(unary_asinh) X(unary_acosh) X(unary_atanh) X(unary_expm1)            \
  X(unary_log1p) X(unary_isnan) X(unary_isinf) X(unary_isfinite) X(unary_not) X(unary_i32_neg) X(unary_i32_abs)    \
  X(unary_i32_square) X(unary_i32_sign) X(unary_i32_relu) X(unary_i32_clip) X(cast_f32_i32) X(cast_i32_f32)        \
  X(cast_u8_f32) X(cast_u8_i32) X(cast_f32_u8) X(cast_i32_u8) X(fill) X(choose) X(add_n)
