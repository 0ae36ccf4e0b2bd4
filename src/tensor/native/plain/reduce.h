// Reductions over the middle of [outer, n, inner], softmax, scans.
//
// Sums: blocks of REDUCE_BLOCK elements in float vectors, blocks added in double. The order depends on the shape alone.
#pragma once
#include "../simd.h"

namespace ZT_NS {

enum { REDUCE_BLOCK = 4096 };

static ZT_INLINE float sum_block(const float* x, long n) {
  vf s0 = splat(0.0f), s1 = s0, s2 = s0, s3 = s0;
  long i = 0;
  for (; i + 4 * VL <= n; i += 4 * VL) {
    s0 += load(x + i);
    s1 += load(x + i + VL);
    s2 += load(x + i + 2 * VL);
    s3 += load(x + i + 3 * VL);
  }
  for (; i + VL <= n; i += VL) s0 += load(x + i);
  if (i < n) s1 += load_part(x + i, n - i);
  return sum_lanes((s0 + s1) + (s2 + s3));
}

// outer, n, inner, x, out, scale: sums (or means).
static void reduce_sum(const double* a, Team& team) {
  long outer = (long)a[0], n = (long)a[1], inner = (long)a[2], from, to;
  const float* x = ptr<const float>(a[3]);
  float* o = ptr<float>(a[4]);
  const double scale = a[5];
  if (inner == 1) {
    long blocks = (n + REDUCE_BLOCK - 1) / REDUCE_BLOCK;
    if (outer < team.count && blocks > 1 && blocks * outer * sizeof(float) <= (1u << 20)) {
      float* partial = team.shared(blocks * outer);
      team.range(blocks * outer, from, to);
      for (long u = from; u < to; u++) {
        long r = u / blocks, b = u % blocks * REDUCE_BLOCK;
        partial[u] = sum_block(x + r * n + b, n - b < REDUCE_BLOCK ? n - b : REDUCE_BLOCK);
      }
      team.barrier();
      if (team.index == 0)
        for (long r = 0; r < outer; r++) {
          double s = 0;
          for (long b = 0; b < blocks; b++) s += partial[r * blocks + b];
          o[r] = (float)(s * scale);
        }
      return;
    }
    team.range(outer, from, to);
    for (long r = from; r < to; r++) {
      double s = 0;
      for (long b = 0; b < n; b += REDUCE_BLOCK) s += sum_block(x + r * n + b, n - b < REDUCE_BLOCK ? n - b : REDUCE_BLOCK);
      o[r] = (float)(s * scale);
    }
    return;
  }
  // Columns: strips of STRIP, 128 rows at a time in float, these in double.
  enum { STRIP = 4 * VL };
  long strips = (inner + STRIP - 1) / STRIP;
  team.range(outer * strips, from, to);
  for (long u = from; u < to; u++) {
    long r = u / strips, c = u % strips * STRIP, w = inner - c < STRIP ? inner - c : STRIP;
    const float* p = x + r * n * inner + c;
    double total[STRIP];
    for (long j = 0; j < STRIP; j++) total[j] = 0;
    for (long i0 = 0; i0 < n; i0 += 128) {
      long i1 = i0 + 128 < n ? i0 + 128 : n;
      float t[STRIP] __attribute__((aligned(64)));
      if (w == STRIP) {
        vf s0 = splat(0.0f), s1 = s0, s2 = s0, s3 = s0;
        for (long i = i0; i < i1; i++) {
          const float* q = p + i * inner;
          s0 += load(q);
          s1 += load(q + VL);
          s2 += load(q + 2 * VL);
          s3 += load(q + 3 * VL);
        }
        store(t, s0);
        store(t + VL, s1);
        store(t + 2 * VL, s2);
        store(t + 3 * VL, s3);
      } else {
        for (long j = 0; j < w; j++) t[j] = 0;
        for (long i = i0; i < i1; i++)
          for (long j = 0; j < w; j++) t[j] += p[i * inner + j];
      }
      for (long j = 0; j < w; j++) total[j] += t[j];
    }
    for (long j = 0; j < w; j++) o[r * inner + c + j] = (float)(total[j] * scale);
  }
}

// outer, n, inner, x, out
template <typename T, typename F>
static ZT_INLINE void fold(const double* a, Team& team, T start, F f) {
  long outer = (long)a[0], n = (long)a[1], inner = (long)a[2], from, to;
  const T* x = ptr<const T>(a[3]);
  T* o = ptr<T>(a[4]);
  const long STRIP = 256, strips = (inner + STRIP - 1) / STRIP;
  team.range(outer * strips, from, to);
  for (long u = from; u < to; u++) {
    long r = u / strips, c = u % strips * STRIP, w = inner - c < STRIP ? inner - c : STRIP;
    const T* p = x + r * n * inner + c;
    T* q = o + r * inner + c;
    for (long j = 0; j < w; j++) q[j] = start;
    for (long i = 0; i < n; i++)
      for (long j = 0; j < w; j++) q[j] = f(q[j], p[i * inner + j]);
  }
}
static void reduce_max(const double* a, Team& t) {
  fold<float>(a, t, -__builtin_inff(), [](float s, float v) { return s != s || s > v ? s : v; });
}
static void reduce_min(const double* a, Team& t) {
  fold<float>(a, t, __builtin_inff(), [](float s, float v) { return s != s || s < v ? s : v; });
}
static void reduce_prod(const double* a, Team& t) {
  fold<float>(a, t, 1.0f, [](float s, float v) { return s * v; });
}
static void reduce_i32_sum(const double* a, Team& t) {
  fold<int32_t>(a, t, 0, [](int32_t s, int32_t v) { return (int32_t)((uint32_t)s + (uint32_t)v); });
}
static void reduce_i32_max(const double* a, Team& t) {
  fold<int32_t>(a, t, INT32_MIN, [](int32_t s, int32_t v) { return s > v ? s : v; });
}
static void reduce_i32_min(const double* a, Team& t) {
  fold<int32_t>(a, t, INT32_MAX, [](int32_t s, int32_t v) { return s < v ? s : v; });
}
static void reduce_u8_any(const double* a, Team& t) {
  fold<uint8_t>(a, t, 0, [](uint8_t s, uint8_t v) { return (uint8_t)(s || v); });
}
static void reduce_u8_all(const double* a, Team& t) {
  fold<uint8_t>(a, t, 1, [](uint8_t s, uint8_t v) { return (uint8_t)(s && v); });
}
// outer, n, inner, x, out (int32): index of the first extreme value; NaN never wins, as in tfjs.
template <typename T, typename F>
static ZT_INLINE void argument(const double* a, Team& team, F better) {
  long outer = (long)a[0], n = (long)a[1], inner = (long)a[2], from, to;
  const T* x = ptr<const T>(a[3]);
  int32_t* o = ptr<int32_t>(a[4]);
  team.range(outer * inner, from, to);
  for (long u = from; u < to; u++) {
    const T* p = x + u / inner * n * inner + u % inner;
    T best = p[0];
    int32_t at = 0;
    for (long i = 1; i < n; i++)
      if (better(p[i * inner], best)) {
        best = p[i * inner];
        at = (int32_t)i;
      }
    o[u] = at;
  }
}
static void arg_max(const double* a, Team& t) {
  argument<float>(a, t, [](float v, float b) { return v > b; });
}
static void arg_min(const double* a, Team& t) {
  argument<float>(a, t, [](float v, float b) { return v < b; });
}
static void arg_i32_max(const double* a, Team& t) {
  argument<int32_t>(a, t, [](int32_t v, int32_t b) { return v > b; });
}
static void arg_i32_min(const double* a, Team& t) {
  argument<int32_t>(a, t, [](int32_t v, int32_t b) { return v < b; });
}

static ZT_INLINE float row_max(const float* x, long n) {
  vf m = splat(-__builtin_inff());
  long i = 0;
  for (; i + VL <= n; i += VL) m = max(load(x + i), m);
  if (i < n) m = max(load_part(x + i, n - i, -__builtin_inff()), m);
  return max_lanes(m);
}
// o = exp(x - top); returns the sum.
static ZT_INLINE float row_exp(const float* x, float* o, long n, float top) {
  vf s = splat(0.0f), t = splat(top);
  long i = 0;
  for (; i + VL <= n; i += VL) {
    vf e = exp(load(x + i) - t);
    store(o + i, e);
    s += e;
  }
  if (i < n) {
    vf e = exp(load_part(x + i, n - i, -__builtin_inff()) - t);
    store_part(o + i, e, n - i);
    s += e;
  }
  return sum_lanes(s);
}
// rows, n, x, out
static void softmax(const double* a, Team& team) {
  long n = (long)a[1], from, to;
  team.range((long)a[0], from, to);
  for (long r = from; r < to; r++) {
    const float* x = ptr<const float>(a[2]) + r * n;
    float* o = ptr<float>(a[3]) + r * n;
    vf scale = splat(1.0f / row_exp(x, o, n, row_max(x, n)));
    map1(o, o, n, [scale](vf v) { return v * scale; });
  }
}
static void log_softmax(const double* a, Team& team) {
  long n = (long)a[1], from, to;
  team.range((long)a[0], from, to);
  for (long r = from; r < to; r++) {
    const float* x = ptr<const float>(a[2]) + r * n;
    float *o = ptr<float>(a[3]) + r * n, top = row_max(x, n);
    vf shift = splat(top), s = log(splat(row_exp(x, o, n, top)));
    map1(x, o, n, [shift, s](vf v) { return v - shift - s; });
  }
}
// outer, n, inner, x, out, exclusive, reverse
template <typename T, typename F>
static ZT_INLINE void scan(const double* a, Team& team, T start, F f) {
  long outer = (long)a[0], n = (long)a[1], inner = (long)a[2], from, to;
  const T* x = ptr<const T>(a[3]);
  T* o = ptr<T>(a[4]);
  const bool exclusive = a[5] != 0, reverse = a[6] != 0;
  team.range(outer * inner, from, to);
  for (long u = from; u < to; u++) {
    long base = u / inner * n * inner + u % inner;
    T s = start;
    for (long k = 0; k < n; k++) {
      long i = base + (reverse ? n - 1 - k : k) * inner;
      T v = x[i];
      if (exclusive) o[i] = s;
      s = f(s, v);
      if (!exclusive) o[i] = s;
    }
  }
}
static void cumsum(const double* a, Team& t) {
  scan<float>(a, t, 0.0f, [](float s, float v) { return s + v; });
}
static void cumprod(const double* a, Team& t) {
  scan<float>(a, t, 1.0f, [](float s, float v) { return s * v; });
}
static void i32_cumsum(const double* a, Team& t) {
  scan<int32_t>(a, t, 0, [](int32_t s, int32_t v) { return (int32_t)((uint32_t)s + (uint32_t)v); });
}
static void i32_cumprod(const double* a, Team& t) {
  scan<int32_t>(a, t, 1, [](int32_t s, int32_t v) { return (int32_t)((uint32_t)s * (uint32_t)v); });
}

}  // namespace ZT_NS

#define ZT_REDUCE_OPS(X)                                                                                       \
  X(reduce_sum) X(reduce_max) X(reduce_min) X(reduce_prod) X(reduce_i32_sum) X(reduce_i32_max) X(reduce_i32_min) \
  X(reduce_u8_any) X(reduce_u8_all) X(arg_max) X(arg_min) X(arg_i32_max) X(arg_i32_min) X(softmax)             \
  X(log_softmax) X(cumsum) X(cumprod) X(i32_cumsum) X(i32_cumprod)
