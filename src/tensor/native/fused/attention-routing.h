// Routed attention: the top-k chunks of every (token, head) by q . mean key, and rows grouped by the chunk they chose.
#pragma once
#include "attention-keys.h"

namespace ZT_NS {

// Rows of a block grouped by the chunk that they chose: lists linked through `next`.
struct Groups {
  int32_t *head, *next;  // [key chunks], [ATTN_ROWS * top]
  ZT_INLINE void open(Team& team, long key_chunks, long top) {
    head = team.scratch<int32_t>(key_chunks + 1);
    next = team.scratch<int32_t>(ATTN_ROWS * top + 1);
    for (long i = 0; i < key_chunks; i++) head[i] = -1;
  }
  ZT_INLINE void fill(const int32_t* picks, long rows, long top) {
    for (long i = rows * top - 1; i >= 0; i--)
      if (picks[i] >= 0) {
        next[i] = head[picks[i]];
        head[picks[i]] = (int32_t)i;
      }
  }
  // Rows that chose `chunk`, in order; forgets them.
  ZT_INLINE long take(long chunk, long top, int* rows) {
    long n = 0;
    for (int32_t i = head[chunk]; i >= 0; i = next[i]) rows[n++] = (int)(i / top);
    head[chunk] = -1;
    return n;
  }
};

// Top-k candidates of a block of rows: scans chunks in ascending order and replaces only on a strictly larger score, so
// that ties go to the lower chunk. Picks come out ascending, unused places are -1.
struct Router {
  float* best;       // [rows][top], descending
  int32_t* order;    // [rows][top]
  int32_t* is_open;  // [key chunks, padded]: -1 where the chunk is a candidate
  float* columns;    // [panels of a block][d][VL]
  long top;

  ZT_INLINE void open(Team& team, const AttentionShape& a) {
    top = a.top;
    best = team.scratch(ATTN_ROWS * top);
    order = team.scratch<int32_t>(ATTN_ROWS * top);
    is_open = team.scratch<int32_t>((a.key_chunks + VL - 1) / VL * VL);
    columns = team.scratch((size_t)ATTN_STRIDE * a.dp);
    for (long i = 0; i < (a.key_chunks + VL - 1) / VL * VL; i++) is_open[i] = 0;
  }
  ZT_INLINE void consider(long row, float score, int32_t chunk) {
    float* b = best + row * top;
    int32_t* o = order + row * top;
    if (!(o[top - 1] < 0 || score > b[top - 1])) return;
    long i = top - 1;
    for (; i > 0 && (o[i - 1] < 0 || score > b[i - 1]); i--) b[i] = b[i - 1], o[i] = o[i - 1];
    b[i] = score, o[i] = chunk;
  }
  // pooled: mean keys of this (batch row, head), leading dimension ld.
  ZT_INLINE void pick(const float* const* q, long rows, const float* pooled, long ld, long d, const int32_t* list, long n,
                      float* const* s, int32_t* picks) {
    for (long i = 0; i < rows * top; i++) picks[i] = -1;
    if (n <= top) {
      for (long r = 0; r < rows; r++)
        for (long i = 0; i < n; i++) picks[r * top + i] = list[i];
      return;
    }
    for (long i = 0; i < n; i++) is_open[list[i]] = -1;
    for (long i = 0; i < rows * top; i++) order[i] = -1;
    const long first = list[0] / VL, last = list[n - 1] / VL + 1, limit = list[n - 1] + 1;
    Panel panels[ATTN_PANELS];
    for (long p0 = first; p0 < last; p0 += ATTN_PANELS) {
      const long count = last - p0 < ATTN_PANELS ? last - p0 : (long)ATTN_PANELS;
      for (long i = 0; i < count; i++) {
        const long chunk = (p0 + i) * VL;
        panels[i].key_columns = columns + i * VL * d;
        pack_columns(pooled + chunk * ld, ld, limit - chunk < VL ? limit - chunk : VL, d, columns + i * VL * d);
      }
      scores(q, rows, panels, count, false, d, 1, s);
      for (long r = 0; r < rows; r++)
        for (long i = 0; i < count; i++) {
          const vf v = load(s[r] + i * VL);
          const vi open_lanes = *(const viu*)(is_open + (p0 + i) * VL);
          // While places are free every candidate is considered; after that only what beats the last place.
          const float bar = order[r * top + top - 1] < 0 ? -__builtin_inff() : best[r * top + top - 1];
          for (unsigned bits = lane_bits(open_lanes & (v >= splat(bar))); bits; bits &= bits - 1) {
            const int l = __builtin_ctz(bits);
            consider(r, v[l], (int32_t)((p0 + i) * VL + l));
          }
        }
    }
    for (long i = 0; i < n; i++) is_open[list[i]] = 0;
    for (long r = 0; r < rows; r++) {
      int32_t *o = order + r * top, *p = picks + r * top;
      long m = 0;
      for (; m < top && o[m] >= 0; m++) {
        long i = m;
        for (; i > 0 && p[i - 1] > o[m]; i--) p[i] = p[i - 1];
        p[i] = o[m];
      }
    }
  }
};

}  // namespace ZT_NS
