// Kernels that move elements without changing them: one strided copy serves transpose, slice, pad, tile, reverse and
// broadcast; concat and split of rows move all parts at once.
#pragma once
#include "../simd.h"

namespace ZT_NS {

// A tile of a transposition: n0 x n1 elements, source contiguous along 0, target contiguous along 1.
template <typename T>
static ZT_INLINE void transpose_tile(const T* s, long s1, T* d, long d0, long n0, long n1) {
  const long B = 16;
  for (long i0 = 0; i0 < n0; i0 += B)
    for (long j0 = 0; j0 < n1; j0 += B) {
      long i1 = i0 + B < n0 ? i0 + B : n0, j1 = j0 + B < n1 ? j0 + B : n1;
      for (long i = i0; i < i1; i++)
        for (long j = j0; j < j1; j++) d[i * d0 + j] = s[i + j * s1];
    }
}
template <typename T>
static ZT_INLINE void copy_run(const double* x, Team& team) {
  const long rank = (long)x[1];
  const double *sizes = x + 2, *ss = sizes + rank, *ds = ss + rank;
  const T* src = ptr<const T>(ds[rank]) + (long)ds[rank + 1];
  T* dst = ptr<T>(ds[rank + 2]) + (long)ds[rank + 3];
  const long n = (long)sizes[rank - 1], si = (long)ss[rank - 1], di = (long)ds[rank - 1];
  // Two innermost loops at once where the source runs along the next to last dimension.
  const bool tiled = rank >= 2 && (long)ss[rank - 2] == 1 && si != 1 && di == 1;
  const long outer_rank = tiled ? rank - 2 : rank - 1;
  long rows = 1;
  for (long d = 0; d < outer_rank; d++) rows *= (long)sizes[d];
  const long width = tiled ? (long)sizes[rank - 2] : n, unit = tiled ? 64 : 4096;
  const long units = (width + unit - 1) / unit;
  long from, to;
  team.range(rows * units, from, to);
  for (long u = from; u < to; u++) {
    long row = u / units, part = u % units, so = 0, dof = 0;
    for (long d = outer_rank - 1, r = row; d >= 0; d--) {
      long size = (long)sizes[d], i = r % size;
      r /= size;
      so += i * (long)ss[d];
      dof += i * (long)ds[d];
    }
    long begin = part * unit, end = begin + unit < width ? begin + unit : width;
    if (tiled) {
      long d0 = (long)ds[rank - 2];
      transpose_tile(src + so + begin, si, dst + dof + begin * d0, d0, end - begin, n);
      continue;
    }
    const T* s = src + so + begin * si;
    T* d = dst + dof + begin * di;
    long m = end - begin;
    if (si == 1 && di == 1) __builtin_memcpy(d, s, m * sizeof(T));
    else if (di == 1 && si == 0)
      for (long i = 0; i < m; i++) d[i] = *s;
    else
      for (long i = 0; i < m; i++) d[i * di] = s[i * si];
  }
}
// bytes of an element, rank, sizes[rank], source strides[rank], target strides[rank], source, offset, target, offset.
static void copy(const double* x, Team& team) {
  if (x[0] == 1) copy_run<uint8_t>(x, team);
  else copy_run<uint32_t>(x, team);
}

// bytes of an element, rows, parts, whether to join, whole, then per part: elements of its row, part. Every row of the
// whole is the rows of the parts, one after the other: what joins them along an axis, or takes them apart.
static void part_rows(const double* x, Team& team) {
  const long bytes = (long)x[0], rows = (long)x[1], parts = (long)x[2];
  const bool join = x[3] != 0;
  char* whole = ptr<char>(x[4]);
  const double* part = x + 5;
  long width = 0, from, to;
  for (long p = 0; p < parts; p++) width += (long)part[2 * p] * bytes;
  team.range(rows, from, to);
  for (long r = from; r < to; r++) {
    char* at = whole + r * width;
    for (long p = 0; p < parts; p++) {
      const long n = (long)part[2 * p] * bytes;
      char* piece = ptr<char>(part[2 * p + 1]) + r * n;
      if (join) __builtin_memcpy(at, piece, n);
      else __builtin_memcpy(piece, at, n);
      at += n;
    }
  }
}

}  // namespace ZT_NS

#define ZT_MOVEMENT_OPS(X) X(copy) X(part_rows)
