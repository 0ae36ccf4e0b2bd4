// Kernels that read or write where an index tensor says. Indices are checked in TypeScript or skipped here: an index
// out of range never touches foreign memory.
#pragma once
#include "../simd.h"

namespace ZT_NS {

// bytes, batch, outer, size of the axis, inner, count of indices a batch, x, indices, out: out of range gives zeros
template <typename T>
static ZT_INLINE void gather_run(const double* a, Team& team) {
  long batch = (long)a[1], outer = (long)a[2], axis = (long)a[3], inner = (long)a[4], count = (long)a[5], from, to;
  const T* x = ptr<const T>(a[6]);
  const int32_t* ids = ptr<const int32_t>(a[7]);
  T* o = ptr<T>(a[8]);
  team.range(batch * outer * count, from, to);
  for (long u = from; u < to; u++) {
    long k = u % count, bo = u / count, b = bo / outer;
    long id = ids[b * count + k];
    if (id < 0 || id >= axis) __builtin_memset(o + u * inner, 0, inner * sizeof(T));
    else if (inner == 1) o[u] = x[bo * axis + id];
    else __builtin_memcpy(o + u * inner, x + (bo * axis + id) * inner, inner * sizeof(T));
  }
}
static void gather(const double* a, Team& team) {
  if (a[0] == 1) gather_run<uint8_t>(a, team);
  else gather_run<uint32_t>(a, team);
}
// rows, inner, segments, x [rows, inner], ids [rows], out [segments, inner]: sums; ids out of range are dropped.
template <typename T>
static ZT_INLINE void segment_run(const double* a, Team& team) {
  long rows = (long)a[0], inner = (long)a[1], segments = (long)a[2], from, to;
  const T* x = ptr<const T>(a[3]);
  const int32_t* ids = ptr<const int32_t>(a[4]);
  T* o = ptr<T>(a[5]);
  // Every thread owns segments and reads all ids: the order of a sum is that of the rows.
  team.range(segments, from, to);
  if (to > from) __builtin_memset(o + from * inner, 0, (to - from) * inner * sizeof(T));
  for (long r = 0; r < rows; r++) {
    long s = ids[r];
    if (s < from || s >= to) continue;
    for (long j = 0; j < inner; j++) o[s * inner + j] += x[r * inner + j];
  }
}
static void segment_sum(const double* a, Team& team) { segment_run<float>(a, team); }
static void i32_segment_sum(const double* a, Team& team) { segment_run<int32_t>(a, team); }

// n, depth, on, off, ids, out, bytes of an element (bit patterns of on and off as uint32)
static void one_hot(const double* a, Team& team) {
  long n = (long)a[0], depth = (long)a[1], from, to;
  const int32_t* ids = ptr<const int32_t>(a[4]);
  team.range(n, from, to);
  if (a[6] == 1) {
    uint8_t* o = ptr<uint8_t>(a[5]);
    for (long i = from; i < to; i++)
      for (long d = 0; d < depth; d++) o[i * depth + d] = (uint8_t)(ids[i] == d ? a[2] : a[3]);
    return;
  }
  uint32_t *o = ptr<uint32_t>(a[5]), on = (uint32_t)a[2], off = (uint32_t)a[3];
  for (long i = from; i < to; i++)
    for (long d = 0; d < depth; d++) o[i * depth + d] = ids[i] == d ? on : off;
}
// rows, n, k, x, values, indices: the k largest of each row, largest first, equal ones by index; NaN counts as largest.
template <typename T>
static ZT_INLINE bool ahead(T a, int32_t ia, T b, int32_t ib) {
  if (a != a || b != b) return a != a && (b == b || ia < ib);
  return a > b || (a == b && ia < ib);
}
template <typename T>
static ZT_INLINE void top_k_run(const double* a, Team& team) {
  long rows = (long)a[0], n = (long)a[1], k = (long)a[2], from, to;
  team.range(rows, from, to);
  for (long r = from; r < to; r++) {
    const T* x = ptr<const T>(a[3]) + r * n;
    T* v = ptr<T>(a[4]) + r * k;
    int32_t* id = ptr<int32_t>(a[5]) + r * k;
    // A heap of the best k, its root the worst of them; then sorted in place.
    auto sink = [&](long at, long size) {
      while (true) {
        long child = 2 * at + 1;
        if (child >= size) return;
        if (child + 1 < size && ahead(v[child], id[child], v[child + 1], id[child + 1])) child++;
        if (!ahead(v[at], id[at], v[child], id[child])) return;
        T tv = v[at];
        int32_t ti = id[at];
        v[at] = v[child];
        id[at] = id[child];
        v[child] = tv;
        id[child] = ti;
        at = child;
      }
    };
    for (long i = 0; i < k; i++) {
      v[i] = x[i];
      id[i] = (int32_t)i;
    }
    for (long i = k / 2 - 1; i >= 0; i--) sink(i, k);
    for (long i = k; i < n; i++)
      if (k > 0 && ahead(x[i], (int32_t)i, v[0], id[0])) {
        v[0] = x[i];
        id[0] = (int32_t)i;
        sink(0, k);
      }
    for (long size = k - 1; size > 0; size--) {
      T tv = v[0];
      int32_t ti = id[0];
      v[0] = v[size];
      id[0] = id[size];
      v[size] = tv;
      id[size] = ti;
      sink(0, size);
    }
  }
}
static void top_k(const double* a, Team& team) { top_k_run<float>(a, team); }
static void i32_top_k(const double* a, Team& team) { top_k_run<int32_t>(a, team); }

// rows, depth of an index, inner, rows of x, indices [rows, depth], strides[depth] (in rows), x, out
static void gather_nd(const double* a, Team& team) {
  long rows = (long)a[0], depth = (long)a[1], inner = (long)a[2], limit = (long)a[3], from, to;
  const int32_t *ids = ptr<const int32_t>(a[4]), *strides = ptr<const int32_t>(a[5]);
  const uint32_t* x = ptr<const uint32_t>(a[6]);
  uint32_t* o = ptr<uint32_t>(a[7]);
  team.range(rows, from, to);
  for (long r = from; r < to; r++) {
    long at = 0;
    for (long d = 0; d < depth; d++) at += (long)ids[r * depth + d] * strides[d];
    if (at < 0 || at >= limit) __builtin_memset(o + r * inner, 0, inner * 4);
    else __builtin_memcpy(o + r * inner, x + at * inner, inner * 4);
  }
}
// rows, depth, inner, rows of out, indices, strides, x, out (zeroed by the caller): sums in the order of the rows
template <typename T>
static ZT_INLINE void scatter_run(const double* a, Team& team) {
  long rows = (long)a[0], depth = (long)a[1], inner = (long)a[2], limit = (long)a[3], from, to;
  const int32_t *ids = ptr<const int32_t>(a[4]), *strides = ptr<const int32_t>(a[5]);
  const T* x = ptr<const T>(a[6]);
  T* o = ptr<T>(a[7]);
  team.range(inner, from, to, 16);
  for (long r = 0; r < rows; r++) {
    long at = 0;
    for (long d = 0; d < depth; d++) at += (long)ids[r * depth + d] * strides[d];
    if (at < 0 || at >= limit) continue;
    for (long j = from; j < to; j++) o[at * inner + j] += x[r * inner + j];
  }
}
static void scatter_nd(const double* a, Team& team) { scatter_run<float>(a, team); }
static void i32_scatter_nd(const double* a, Team& team) { scatter_run<int32_t>(a, team); }

}  // namespace ZT_NS

#define ZT_LOOKUP_OPS(X)                                                                             \
  X(gather) X(segment_sum) X(i32_segment_sum) X(one_hot) X(top_k) X(i32_top_k) X(gather_nd) X(scatter_nd) \
  X(i32_scatter_nd)
