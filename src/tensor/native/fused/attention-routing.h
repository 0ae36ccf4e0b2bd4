// Routed attention: the top-k chunks of every (token, head) by q . mean key, and rows grouped by the chunk they chose.
#pragma once
#include "attention-keys.h"

namespace ZT_NS {

// Rows of a block grouped by the chunk that they chose: lists of picks (row * top + place) linked through `next`.
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
  // Those of `list` that somebody chose.
  ZT_INLINE long chosen(const int32_t* list, long n, int32_t* out) const {
    long count = 0;
    for (long i = 0; i < n; i++) {
      out[count] = list[i];
      count += head[list[i]] >= 0;
    }
    return count;
  }
  // Rows that chose `chunk`, in order; forgets them.
  ZT_INLINE long take(long chunk, long top, int* rows) {
    long n = 0;
    for (int32_t i = head[chunk]; i >= 0; i = next[i]) rows[n++] = (int)(i / top);
    head[chunk] = -1;
    return n;
  }
};

// Top-k candidates of a block of rows, rows as lanes: chunks are scored and inserted in ascending order, and only a strictly
// larger score displaces, so that ties go to the lower chunk. A sorted list takes what it is given at the place where it
// belongs, without branches but for lists too long for registers. A score that is not a number is never picked. Picks come
// out ascending, unused places are -1.
struct Router {
  enum { AHEAD = 3 * ATTN_ROWS };  // means on their way from memory
  float* best;      // [panels of rows][top][VL], descending
  int32_t* order;   // the same, chunks
  float* columns;   // the queries, [panels of rows][d][VL]
  long top;

  ZT_INLINE void open(Team& team, const AttentionShape& a) {
    top = a.top;
    best = team.scratch(ATTN_ROWS * top);
    order = team.scratch<int32_t>(ATTN_ROWS * top);
    columns = team.scratch((size_t)ATTN_ROWS * a.dp);
  }
  // Free places hold -infinity, which must lose against any score.
  static ZT_INLINE vf shown(vf score) { return select(score < splat(-3.4e38f), splat(-3.4e38f), score); }
  // Where `given` beats a place, and so all behind it, that takes what comes from the one before: `given` itself, or what it
  // has driven out there.
  static ZT_INLINE void settle(vf given, vf& score, vi& chunk, vf& best, vi& order) {
    const vi beats = given > best, named = order;
    const vf kept = best;
    best = select(beats, score, kept);
    order = beats ? chunk : named;
    score = select(beats, kept, score);
    chunk = beats ? named : chunk;
  }
  // K places in registers; K = 0: `places` of them in memory.
  template <int K>
  static ZT_INLINE void insert(const float* const* s, long at, const int32_t* list, long n, vf* best, vi* order, long places) {
    if (K == 0) {
      for (long c = 0; c < n; c++) {
        const vf given = shown(load(s[c] + at));
        if (!lane_bits(given > best[places - 1])) continue;
        vf score = given;
        vi chunk = splat_i(list[c]);
        for (long i = 0; i < places; i++) settle(given, score, chunk, best[i], order[i]);
      }
      return;
    }
    vf kept[K ? K : 1];
    vi named[K ? K : 1];
    for (int i = 0; i < K; i++) kept[i] = best[i], named[i] = order[i];
    for (long c = 0; c < n; c++) {
      const vf given = shown(load(s[c] + at));
      vf score = given;
      vi chunk = splat_i(list[c]);
#pragma GCC unroll 8
      for (int i = 0; i < K; i++) settle(given, score, chunk, kept[i], named[i]);
    }
    for (int i = 0; i < K; i++) best[i] = kept[i], order[i] = named[i];
  }
  ZT_INLINE void insert(const float* const* s, long at, const int32_t* list, long n, vf* b, vi* o) const {
    switch (top) {
      case 1: return insert<1>(s, at, list, n, b, o, top);
      case 2: return insert<2>(s, at, list, n, b, o, top);
      case 3: return insert<3>(s, at, list, n, b, o, top);
      case 4: return insert<4>(s, at, list, n, b, o, top);
      case 5: return insert<5>(s, at, list, n, b, o, top);
      case 6: return insert<6>(s, at, list, n, b, o, top);
      case 7: return insert<7>(s, at, list, n, b, o, top);
      case 8: return insert<8>(s, at, list, n, b, o, top);
      default: return insert<0>(s, at, list, n, b, o, top);
    }
  }
  // q: [rows] of dp floats; pooled: mean keys of this (batch row, head), leading dimension ld; s: ATTN_ROWS rows of scores.
  ZT_INLINE void pick(const float* const* q, long dp, long rows, const float* pooled, long ld, long d, const int32_t* list,
                      long n, float* const* s, int32_t* picks) {
    for (long i = 0; i < rows * top; i++) picks[i] = -1;
    if (n <= top) {
      for (long r = 0; r < rows; r++)
        for (long i = 0; i < n; i++) picks[r * top + i] = list[i];
      return;
    }
    auto fetch = [&](long i) { prefetch_far_rows(pooled + list[i] * ld, ld, 1, d); };
    for (long i = 0; i < AHEAD && i < n; i++) fetch(i);
    const long panels = (rows + VL - 1) / VL;
    vf* b = (vf*)best;
    vi* o = (vi*)order;
    for (long i = 0; i < panels * top; i++) b[i] = splat(-__builtin_inff()), o[i] = splat_i(-1);
    Panel of_rows[ATTN_ROWS];
    for (long p = 0; p < panels; p++) {
      of_rows[p].key_columns = columns + p * VL * d;
      pack_columns(q[p * VL], dp, rows - p * VL < VL ? rows - p * VL : VL, d, columns + p * VL * d);
    }
    const float* means[ATTN_ROWS];
    for (long from = 0; from < n; from += ATTN_ROWS) {
      const long count = n - from < ATTN_ROWS ? n - from : (long)ATTN_ROWS;
      for (long c = 0; c < count; c++) {
        means[c] = pooled + list[from + c] * ld;
        if (from + c + AHEAD < n) fetch(from + c + AHEAD);
      }
      scores(means, count, of_rows, panels, false, d, 1, s);
      for (long p = 0; p < panels; p++) insert(s, p * VL, list + from, count, b + p * top, o + p * top);
    }
    for (long p = 0; p < panels; p++) {
      vi* chosen = o + p * top;
      // Ascending; as unsigned numbers free places come last.
      for (long i = top - 1; i > 0; i--)
        for (long j = 0; j < i; j++) {
          const vi x = chosen[j], y = chosen[j + 1], swap = (x ^ splat_i(INT32_MIN)) > (y ^ splat_i(INT32_MIN));
          chosen[j] = swap ? y : x;
          chosen[j + 1] = swap ? x : y;
        }
      const int32_t* lanes = order + p * top * VL;
      for (long r = 0; r < VL && p * VL + r < rows; r++)
        for (long i = 0; i < top; i++) picks[(p * VL + r) * top + i] = lanes[i * VL + r];
    }
  }
};

}  // namespace ZT_NS
