// LayerNorm with per-chunk modulation or affine parameters, RMSNorm, rotary embedding, gated residual.
// A row is computed by one thread and depends on nothing but itself. Reductions over rows (gradients of parameters)
// are done a chunk or a block of columns per thread, rows in order.
#pragma once
#include "lanes.h"

namespace ZT_NS {

static ZT_INLINE void row_stats(const float* p, long d, float eps, float& mean, float& rstd) {
  vf s = splat(0.0f);
  for_lanes(d, [&](long j, long n) { s += load_n(p + j, n); });
  mean = lane_sum(s) / d;
  vf q = splat(0.0f);
  const vf m = splat(mean);
  for_lanes(d, [&](long j, long n) {
    vf c = load_n(p + j, n, mean) - m;
    q = fma(c, c, q);
  });
  rstd = 1 / __builtin_sqrtf(lane_sum(q) / d + eps);
}

// rows, d, rows per parameter row, eps, x, scale, shift, out, stats, one: out = xhat (one + scale) + shift. `scale`
// and `shift` may be null; rows per parameter row = rows for affine parameters (one = 0).
static void layer_norm(const double* x, Team& team) {
  const long rows = (long)x[0], d = (long)x[1], per = (long)x[2];
  const float eps = (float)x[3], one = (float)x[9];
  const float *in = ptr<const float>(x[4]), *scale = ptr<const float>(x[5]), *shift = ptr<const float>(x[6]);
  float *out = ptr<float>(x[7]), *stats = ptr<float>(x[8]);
  long from, to;
  team.range(rows, from, to);
  for (long i = from; i < to; i++) {
    const float *p = in + i * d, *a = scale ? scale + i / per * d : 0, *b = shift ? shift + i / per * d : 0;
    float *o = out + i * d, mean, rstd;
    row_stats(p, d, eps, mean, rstd);
    if (stats) stats[2 * i] = mean, stats[2 * i + 1] = rstd;
    const vf m = splat(mean), r = splat(rstd), u = splat(one);
    for_lanes(d, [&](long j, long n) {
      vf v = (load_n(p + j, n) - m) * r;
      if (a) v = v * (load_n(a + j, n) + u);
      if (b) v += load_n(b + j, n);
      store_n(o + j, v, n);
    });
  }
}

// dx of one row: rstd (g - mean(g) - xhat mean(g xhat)) with g = dy (one + scale); in place of dx or added to it.
static ZT_INLINE void layer_norm_row_grad(const float* p, const float* g, const float* a, float one, long d, float mean,
                                          float rstd, bool add, float* dx) {
  const vf m = splat(mean), r = splat(rstd), u = splat(one);
  vf s0 = splat(0.0f), s1 = splat(0.0f);
  for_lanes(d, [&](long j, long n) {
    vf t = load_n(g + j, n);
    if (a) t = t * (load_n(a + j, n) + u);
    s0 += t;
    s1 = fma(t, (load_n(p + j, n) - m) * r, s1);
  });
  const vf c0 = splat(lane_sum(s0) / d), c1 = splat(lane_sum(s1) / d);
  for_lanes(d, [&](long j, long n) {
    vf t = load_n(g + j, n);
    if (a) t = t * (load_n(a + j, n) + u);
    const vf v = r * (t - c0 - (load_n(p + j, n) - m) * r * c1);
    store_n(dx + j, add ? load_n(dx + j, n) + v : v, n);
  });
}

// rows, d, rows per chunk, x, scale, stats, dy, dx, dshift, dscale, whether to add to dx
static void layer_norm_modulate_grad(const double* x, Team& team) {
  const long rows = (long)x[0], d = (long)x[1], per = (long)x[2];
  const float *in = ptr<const float>(x[3]), *scale = ptr<const float>(x[4]), *stats = ptr<const float>(x[5]);
  const float* dy = ptr<const float>(x[6]);
  float *dx = ptr<float>(x[7]), *dshift = ptr<float>(x[8]), *dscale = ptr<float>(x[9]);
  const bool add = x[10] != 0;
  long from, to;
  team.range(per ? rows / per : 0, from, to);
  for (long c = from; c < to; c++) {
    float *o0 = dshift + c * d, *o1 = dscale + c * d;
    for (long j = 0; j < d; j++) o0[j] = o1[j] = 0;
    for (long i = c * per; i < (c + 1) * per; i++) {
      const float *p = in + i * d, *g = dy + i * d;
      const float mean = stats[2 * i], rstd = stats[2 * i + 1];
      layer_norm_row_grad(p, g, scale + c * d, 1, d, mean, rstd, add, dx + i * d);
      const vf m = splat(mean), r = splat(rstd);
      for_lanes(d, [&](long j, long n) {
        vf t = load_n(g + j, n);
        store_n(o0 + j, load_n(o0 + j, n) + t, n);
        store_n(o1 + j, fma(t, (load_n(p + j, n) - m) * r, load_n(o1 + j, n)), n);
      });
    }
  }
}

// rows, d, x, weight, stats, dy, dx, dweight, dbias, whether to add to dx: affine LayerNorm; weight, dweight and dbias may
// be null.
static void layer_norm_grad(const double* x, Team& team) {
  const long rows = (long)x[0], d = (long)x[1];
  const float *in = ptr<const float>(x[2]), *weight = ptr<const float>(x[3]), *stats = ptr<const float>(x[4]);
  const float* dy = ptr<const float>(x[5]);
  float *dx = ptr<float>(x[6]), *dweight = ptr<float>(x[7]), *dbias = ptr<float>(x[8]);
  const bool add = x[9] != 0;
  long from, to;
  team.range(rows, from, to);
  for (long i = from; i < to; i++)
    layer_norm_row_grad(in + i * d, dy + i * d, weight, 0, d, stats[2 * i], stats[2 * i + 1], add, dx + i * d);
  team.range(d, from, to, 16);
  for (long j = from; j < to; j++) {
    if (dweight) dweight[j] = 0;
    if (dbias) dbias[j] = 0;
  }
  if (!dweight && !dbias) return;
  for (long i = 0; i < rows; i++) {
    const float *p = in + i * d, *g = dy + i * d;
    const vf m = splat(stats[2 * i]), r = splat(stats[2 * i + 1]);
    for_lanes(to - from, [&](long k, long n) {
      long j = from + k;
      vf t = load_n(g + j, n);
      if (dbias) store_n(dbias + j, load_n(dbias + j, n) + t, n);
      if (dweight) store_n(dweight + j, fma(t, (load_n(p + j, n) - m) * r, load_n(dweight + j, n)), n);
    });
  }
}

// Rotates interleaved pairs; sign -1 turns back. In place is allowed.
static ZT_INLINE void rotate(const float* p, const float* cos, const float* sin, float sign, long pairs, float* o) {
  for (long j = 0; j < pairs; j++) {
    const float a = p[2 * j], b = p[2 * j + 1], c = cos[j], s = sign * sin[j];
    o[2 * j] = a * c - b * s;
    o[2 * j + 1] = a * s + b * c;
  }
}

// rows, d, rows per table (tokens), heads, eps, inverse, x, weight, cos, sin, out: RMSNorm if `weight`, rotation if `cos`.
static void norm_rope(const double* x, Team& team) {
  const long rows = (long)x[0], d = (long)x[1], tokens = (long)x[2], heads = (long)x[3];
  const float eps = (float)x[4], sign = x[5] != 0 ? -1.0f : 1.0f;
  const float *in = ptr<const float>(x[6]), *weight = ptr<const float>(x[7]);
  const float *cos = ptr<const float>(x[8]), *sin = ptr<const float>(x[9]);
  float* out = ptr<float>(x[10]);
  const long width = heads ? d / heads : d, pairs = width / 2;
  long from, to;
  team.range(rows, from, to);
  for (long i = from; i < to; i++) {
    const float* p = in + i * d;
    float* o = out + i * d;
    if (weight) {
      vf q = splat(0.0f);
      for_lanes(d, [&](long j, long n) {
        vf v = load_n(p + j, n);
        q = fma(v, v, q);
      });
      const vf r = splat(1 / __builtin_sqrtf(lane_sum(q) / d + eps));
      for_lanes(d, [&](long j, long n) { store_n(o + j, load_n(p + j, n) * r * load_n(weight + j, n), n); });
      p = o;
    }
    if (cos)
      for (long h = 0; h < heads; h++)
        rotate(p + h * width, cos + i % tokens * pairs, sin + i % tokens * pairs, sign, pairs, o + h * width);
  }
}

// rows, d, tokens, heads, eps, x, weight, cos, sin, dy, dx, dweight, rstd[rows] (workspace)
static void norm_rope_grad(const double* x, Team& team) {
  const long rows = (long)x[0], d = (long)x[1], tokens = (long)x[2], heads = (long)x[3];
  const float eps = (float)x[4];
  const float *in = ptr<const float>(x[5]), *weight = ptr<const float>(x[6]);
  const float *cos = ptr<const float>(x[7]), *sin = ptr<const float>(x[8]), *dy = ptr<const float>(x[9]);
  float *dx = ptr<float>(x[10]), *dweight = ptr<float>(x[11]), *rstd = ptr<float>(x[12]);
  const long width = heads ? d / heads : d, pairs = width / 2;
  long from, to;
  team.range(rows, from, to);
  for (long i = from; i < to; i++) {
    const float *p = in + i * d, *g = dy + i * d;
    float* o = dx + i * d;
    if (cos) {
      for (long h = 0; h < heads; h++)
        rotate(g + h * width, cos + i % tokens * pairs, sin + i % tokens * pairs, -1, pairs, o + h * width);
      g = o;
    }
    vf q = splat(0.0f), dot = splat(0.0f);
    for_lanes(d, [&](long j, long n) {
      vf v = load_n(p + j, n);
      q = fma(v, v, q);
      dot = fma(load_n(g + j, n) * load_n(weight + j, n), v, dot);
    });
    const float r = 1 / __builtin_sqrtf(lane_sum(q) / d + eps);
    const vf rv = splat(r), c = splat(r * r * r * (lane_sum(dot) / d));
    rstd[i] = r;
    for_lanes(d, [&](long j, long n) {
      store_n(o + j, load_n(g + j, n) * load_n(weight + j, n) * rv - load_n(p + j, n) * c, n);
    });
  }
  team.barrier();
  // A head's columns need its whole rotated gradient: turn it back once more, a head (or 16 columns) per thread.
  const long units = cos ? heads : (d + 15) / 16, size = cos ? width : 16;
  team.range(units, from, to);
  char* mark = team.mark();
  float* turned = cos ? team.scratch(width) : 0;
  for (long u = from; u < to; u++) {
    const long j0 = u * size, n = d - j0 < size ? d - j0 : size;
    for (long j = 0; j < n; j++) dweight[j0 + j] = 0;
    for (long i = 0; i < rows; i++) {
      const float *p = in + i * d + j0, *g = dy + i * d + j0;
      if (cos) {
        rotate(g, cos + i % tokens * pairs, sin + i % tokens * pairs, -1, pairs, turned);
        g = turned;
      }
      const vf r = splat(rstd[i]);
      for_lanes(n, [&](long j, long m) {
        store_n(dweight + j0 + j, fma(load_n(g + j, m), load_n(p + j, m) * r, load_n(dweight + j0 + j, m)), m);
      });
    }
  }
  team.release(mark);
}

// rows, d, rows per chunk, x, y, gate, out
static void gated_residual(const double* x, Team& team) {
  const long rows = (long)x[0], d = (long)x[1], per = (long)x[2];
  const float *in = ptr<const float>(x[3]), *y = ptr<const float>(x[4]), *gate = ptr<const float>(x[5]);
  float* out = ptr<float>(x[6]);
  long from, to;
  team.range(rows, from, to);
  for (long i = from; i < to; i++) {
    const float *p = in + i * d, *q = y + i * d, *g = gate + i / per * d;
    float* o = out + i * d;
    for_lanes(d, [&](long j, long n) {
      store_n(o + j, fma(load_n(g + j, n), load_n(q + j, n), load_n(p + j, n)), n);
    });
  }
}

// rows, d, rows per chunk, y, gate, dout, dy, dgate
static void gated_residual_grad(const double* x, Team& team) {
  const long rows = (long)x[0], d = (long)x[1], per = (long)x[2];
  const float *y = ptr<const float>(x[3]), *gate = ptr<const float>(x[4]), *dout = ptr<const float>(x[5]);
  float *dy = ptr<float>(x[6]), *dgate = ptr<float>(x[7]);
  long from, to;
  team.range(per ? rows / per : 0, from, to);
  for (long c = from; c < to; c++) {
    const float* g = gate + c * d;
    float* o = dgate + c * d;
    for (long j = 0; j < d; j++) o[j] = 0;
    for (long i = c * per; i < (c + 1) * per; i++) {
      const float *q = y + i * d, *t = dout + i * d;
      float* u = dy + i * d;
      for_lanes(d, [&](long j, long n) {
        vf v = load_n(t + j, n);
        store_n(o + j, fma(v, load_n(q + j, n), load_n(o + j, n)), n);
        store_n(u + j, v * load_n(g + j, n), n);
      });
    }
  }
}

}  // namespace ZT_NS

#define ZT_FUSED_NORM_OPS(X)                                                            \
  X(layer_norm) X(layer_norm_modulate_grad) X(layer_norm_grad) X(norm_rope) X(norm_rope_grad) \
  X(gated_residual) X(gated_residual_grad)
