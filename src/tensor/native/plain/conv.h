// 2-D convolution and both its gradients as matrix products over gathered patches (im2col), NHWC.
#pragma once
#include "../gemm.h"

namespace ZT_NS {

struct Conv {
  long batch, height, width, channels;      // of x
  long out_height, out_width, out_channels;  // of y
  long fh, fw, sh, sw, dh, dw, top, left;    // filter, strides, dilations, padding before
  long rows;                                 // pixels gathered at a time
};
static ZT_INLINE Conv conv_of(const double* a) {
  Conv c;
  long* field = &c.batch;
  for (int i = 0; i < 16; i++) field[i] = (long)a[i];
  return c;
}

// Patches of x for output pixels [from, to): rows of fh * fw * channels.
static void gather_patches(const Conv& c, const float* x, long from, long to, float* o) {
  const long run = c.channels;
  for (long p = from; p < to; p++) {
    long ox = p % c.out_width, rest = p / c.out_width, oy = rest % c.out_height, n = rest / c.out_height;
    for (long ky = 0; ky < c.fh; ky++) {
      long y = oy * c.sh - c.top + ky * c.dh;
      for (long kx = 0; kx < c.fw; kx++, o += run) {
        long xx = ox * c.sw - c.left + kx * c.dw;
        if (y < 0 || y >= c.height || xx < 0 || xx >= c.width) __builtin_memset(o, 0, run * sizeof(float));
        else __builtin_memcpy(o, x + ((n * c.height + y) * c.width + xx) * run, run * sizeof(float));
      }
    }
  }
}
// What reaches input pixels [from, to) from dy: rows of fh * fw * out_channels.
static void gather_reach(const Conv& c, const float* dy, long from, long to, float* o) {
  const long run = c.out_channels;
  for (long p = from; p < to; p++) {
    long ix = p % c.width, rest = p / c.width, iy = rest % c.height, n = rest / c.height;
    for (long ky = 0; ky < c.fh; ky++) {
      long y = iy + c.top - ky * c.dh;
      for (long kx = 0; kx < c.fw; kx++, o += run) {
        long x = ix + c.left - kx * c.dw;
        if (y < 0 || x < 0 || y % c.sh || x % c.sw || y / c.sh >= c.out_height || x / c.sw >= c.out_width)
          __builtin_memset(o, 0, run * sizeof(float));
        else
          __builtin_memcpy(o, dy + ((n * c.out_height + y / c.sh) * c.out_width + x / c.sw) * run, run * sizeof(float));
      }
    }
  }
}

template <typename G>
static ZT_INLINE void conv_rows(const Conv& c, const double* a, Team& team, long pixels, long depth, long columns, G gather) {
  const float *x = ptr<const float>(a[16]), *filter = ptr<const float>(a[17]);
  float *out = ptr<float>(a[18]), *patches = ptr<float>(a[19]) + team.index * c.rows * depth;
  // The filter is packed once for all where it fits; otherwise every block of rows packs it again.
  float* packed = packed_size(columns, depth) <= (1 << 18) ? team.shared(packed_size(columns, depth)) : 0;
  if (packed) {
    pack_b_all(false, depth, columns, filter, columns, packed, team);
    team.barrier();
  }
  long from, to;
  team.range(pixels, from, to, MR);
  for (long p = from; p < to; p += c.rows) {
    long end = p + c.rows < to ? p + c.rows : to;
    gather(c, x, p, end, patches);
    Gemm g;
    g.m = end - p;
    g.n = columns;
    g.k = depth;
    g.a = patches;
    g.lda = depth;
    g.b = filter;
    g.ldb = columns;
    g.packed = packed;
    g.c = out + p * columns;
    g.ldc = columns;
    gemm_serial(g, team);
  }
}
// Conv (16 numbers), x, filter [fh*fw*channels, out_channels], out, workspace [threads, rows, fh*fw*channels]
static void conv2d(const double* a, Team& team) {
  Conv c = conv_of(a);
  conv_rows(c, a, team, c.batch * c.out_height * c.out_width, c.fh * c.fw * c.channels, c.out_channels, gather_patches);
}
// Conv, dy, filter [fh*fw*out_channels, channels], dx, workspace [threads, rows, fh*fw*out_channels]
static void conv2d_grad_input(const double* a, Team& team) {
  Conv c = conv_of(a);
  conv_rows(c, a, team, c.batch * c.height * c.width, c.fh * c.fw * c.out_channels, c.channels, gather_reach);
}
// Conv, x, dy, dfilter [fh*fw*channels, out_channels], workspace [rows, fh*fw*channels]
static void conv2d_grad_filter(const double* a, Team& team) {
  Conv c = conv_of(a);
  const float *x = ptr<const float>(a[16]), *dy = ptr<const float>(a[17]);
  float *out = ptr<float>(a[18]), *patches = ptr<float>(a[19]);
  const long depth = c.fh * c.fw * c.channels, pixels = c.batch * c.out_height * c.out_width;
  for (long p = 0; p < pixels; p += c.rows) {
    long end = p + c.rows < pixels ? p + c.rows : pixels, from, to;
    team.range(end - p, from, to);
    gather_patches(c, x, p + from, p + to, patches + from * depth);
    team.barrier();
    Gemm g;
    g.ta = true;
    g.m = depth;
    g.n = c.out_channels;
    g.k = end - p;
    g.a = patches;
    g.lda = depth;
    g.b = dy + p * c.out_channels;
    g.ldb = c.out_channels;
    g.c = out;
    g.ldc = c.out_channels;
    g.accumulate = p > 0;
    gemm(g, team);
  }
}

}  // namespace ZT_NS

#define ZT_CONV_OPS(X) X(conv2d) X(conv2d_grad_input) X(conv2d_grad_filter)
