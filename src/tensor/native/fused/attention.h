// Attention over chunk lists with online softmax (Milakov and Gimelshein 1805.02867; Dao et al. 2205.14135), optionally
// routed: top-k chunks per (token, head) by q . mean key.
#pragma once
#include "attention-chosen.h"
#include "attention-lanes.h"

namespace ZT_NS {

// Adds the keys of the walk to some rows of a block; `direct` reads keys and values where they lie.
static void attend(ForwardBlock& block, const int* rows, long n, KeySource& source, PanelWalk& walk, float scale,
                   bool direct) {
  Panel panels[ATTN_PANELS];
  const float* q[ATTN_ROWS];
  const uint32_t* words[ATTN_ROWS];
  float *s[ATTN_ROWS], *o[ATTN_ROWS], alpha[ATTN_ROWS];
  const bool bf16 = source.bf16 && !direct;
  for (long i = 0; i < n; i++) {
    q[i] = block.q[rows[i]];
    words[i] = block.words[rows[i]];
    s[i] = block.s[rows[i]];
    o[i] = block.o[rows[i]];
  }
  while (long count = source.block(walk, panels, direct)) {
    if (direct) {
      for (long i = 0; i < n; i++)
        for (long j = 0; j < count; j++) {
          const Panel& at = panels[j];
          store(s[i] + j * VL, direct_scores(q[i], at.key_rows, source.k.stride(), source.d, at.lo, at.hi) * splat(scale));
        }
    } else if (bf16) {
      scores(words, n, panels, count, false, source.d, scale, s);
    } else {
      scores(q, n, panels, count, false, source.d, scale, s);
    }
    for (long i = 0; i < n; i++) {
      float* p = s[i];
      vf top = splat(-__builtin_inff());
      for (long j = 0; j < count; j++) {
        vf v = load(p + j * VL);
        if (panels[j].hi - panels[j].lo < VL) {
          v = select(lanes_between(panels[j].lo, panels[j].hi), v, splat(-__builtin_inff()));
          store(p + j * VL, v);
        }
        top = select(v > top, v, top);
      }
      const float before = block.m[rows[i]], here = lane_max(top), m = here > before ? here : before;
      // Without a finite score so far, any reference will do.
      const vf reference = splat(m == -__builtin_inff() ? 0 : m);
      vf sum = splat(0.0f);
      for (long j = 0; j < count; j++) {
        const vf e = exp(load(p + j * VL) - reference);
        store(p + j * VL, e);
        sum += e;
      }
      alpha[i] = before == -__builtin_inff() ? 0 : exp(splat(before) - reference)[0];
      block.l[rows[i]] = block.l[rows[i]] * alpha[i] + lane_sum(sum);
      block.m[rows[i]] = m;
      // Words take the place of the floats that they were made of.
      if (bf16) words_along(p, count * VL, (uint32_t*)p);
    }
    if (bf16) mix((const uint32_t* const*)s, n, panels, count, false, source.dp, source.dp, alpha, o);
    else mix(s, n, panels, count, false, source.dp, direct ? source.v.stride() : source.dp, alpha, o);
  }
}

// AttentionShape, q, k, v, pooled, its rows, whether they lie head by head, o, lse, selection, counts, gate, whether k and v
// are stored in bf16; lse, selection, counts and gate may be null. gate: queries to route by, in place of q. selection: int32
// [B, heads, queries, top]; counts: [B, heads, query chunks, key chunks].
static void attention(const double* x, Team& team) {
  AttentionShape a;
  a.read(x);
  x += AttentionShape::VALUES;
  const float* q = ptr<const float>(x[0]);
  const void *k = ptr<const void>(x[1]), *v = ptr<const void>(x[2]);
  const float* pooled = ptr<const float>(x[3]);
  const HeadRows means = HeadRows::of((long)x[4], a.heads, a.d, x[5] != 0);
  float *o = ptr<float>(x[6]), *lse = ptr<float>(x[7]);
  int32_t* selection = ptr<int32_t>(x[8]);
  float* counts = ptr<float>(x[9]);
  const float* gate = ptr<const float>(x[10]);
  const bool stored_in_bf16 = x[11] != 0;

  const long chunks = a.queries / a.query_chunk, per = (a.query_chunk + ATTN_ROWS - 1) / ATTN_ROWS;
  // Units of a (batch row, head): blocks of rows, whole chunks while counting.
  const long size = counts ? per : 1, units = chunks * per / size;
  long parts = 1;
  while (parts < units && a.batch * a.heads * parts < 4 * team.count && a.batch * a.heads * parts % team.count) parts++;
  long from, to;
  team.range(a.batch * a.heads * parts, from, to);
  if (to <= from) return;

  KeySource source;
  ForwardBlock block;
  LaneBlock lanes;
  lanes.open(team, a);
  const bool bf16 = a.in_bf16();
  const long words = row_words(a.d);
  float* rows = team.scratch((size_t)ATTN_ROWS * (2 * a.dp + ATTN_STRIDE));
  uint32_t* q_words = bf16 ? team.scratch<uint32_t>(ATTN_ROWS * words) : 0;
  for (long i = 0; i < ATTN_ROWS; i++) {
    block.q[i] = rows + i * a.dp;
    block.o[i] = rows + (ATTN_ROWS + i) * a.dp;
    block.s[i] = rows + ATTN_ROWS * 2 * a.dp + i * ATTN_STRIDE;
    block.words[i] = q_words + i * words;
  }
  Groups groups;
  Router router;
  int32_t* picks = 0;
  const float* gate_rows[ATTN_ROWS];
  float* gate_room = gate && a.top > 0 ? team.scratch((size_t)ATTN_ROWS * a.dp) : 0;
  for (long i = 0; i < ATTN_ROWS; i++) gate_rows[i] = gate_room ? gate_room + i * a.dp : block.q[i];
  if (a.top > 0) {
    groups.open(team, a.key_chunks, a.top);
    router.open(team, a);
    picks = team.scratch<int32_t>(ATTN_ROWS * a.top);
  }
  ChosenChunks chosen;
  const bool side_by_side = ChosenChunks::serves(a);
  if (side_by_side) chosen.open(team, a);
  source.open(team, a, false, stored_in_bf16);
  int some[ATTN_ROWS];

  // Packing a chunk pays when several rows share it, sooner where later query chunks will find it packed.
  const long direct_rows = a.d % VL ? 0 : chunks > 2 ? 2 : 4;
  long current = -1;
  for (long item = from; item < to; item++) {
    const long bh = item / parts, part = item % parts, b = bh / a.heads, h = bh % a.heads;
    if (bh != current) {
      source.point(k, v, a.stored.at(b, h));
      if (bf16) lanes.words.forget(a.keys);
      current = bh;
    }
    const long first = units * part / parts * size, last = units * (part + 1) / parts * size;
    for (long u = first; u < last; u++) {
      const long chunk = u / per, r0 = chunk * a.query_chunk + u % per * ATTN_ROWS;
      const long end = (chunk + 1) * a.query_chunk, n = end - r0 < ATTN_ROWS ? end - r0 : (long)ATTN_ROWS;
      const long at = (b * a.queries + r0) * a.width + h * a.d;
      long count;
      const int32_t* list = 0;
      if (a.top > 0) {
        pack_rows(q + at, a.width, n, n, a.d, a.dp, rows);
        for (long i = 0; bf16 && i < n; i++) words_along(block.q[i], a.d, block.words[i]);
        list = a.candidates.list(chunk, count);
        if (gate_room) pack_rows(gate + at, a.width, n, n, a.d, a.dp, gate_room);
        router.pick(gate_rows, a.dp, n, pooled + means.at(b, h), means.ld, a.d, list, count, block.s, picks);
        groups.fill(picks, n, a.top);
        // The first chosen chunks are on their way while the visible ones are attended to.
        if (side_by_side) chosen.begin(groups, list, count, source);
      }
      lanes.begin(q + at, a.width, n);
      PanelWalk walk;
      long seen;
      const int32_t* shown = a.visible.list(chunk, seen);
      walk.start(shown, seen, a.key_chunk);
      // What comes next is on its way meanwhile: the rows of a head lie too far apart to be fetched unasked.
      const bool ahead = u == last - 1 && bh + 1 < (to - 1) / parts + 1;
      const long next = a.stored.at((bh + 1) / a.heads, (bh + 1) % a.heads);
      const bool fetches = ahead && !stored_in_bf16;
      lanes.attend(source, walk, a.scale, fetches ? (const float*)k + next : 0, fetches ? (const float*)v + next : 0);
      lane_rows(lanes.o, n, a.d, block.o);
      for (long i = 0; i < n; i++) block.m[i] = lanes.m[i], block.l[i] = lanes.l[i];
      if (a.top > 0) {
        float* c = counts ? counts + (bh * chunks + chunk) * a.key_chunks : 0;
        if (c && r0 == chunk * a.query_chunk)
          for (long j = 0; j < a.key_chunks; j++) c[j] = 0;
        if (side_by_side) chosen.attend(block, n, groups, picks, source, a.scale, direct_rows, c);
        for (long j = 0; j < count && !side_by_side; j++) {
          if (groups.head[list[j]] < 0) continue;
          // The next chunk that somebody chose lies anywhere: what computes on this one hides its way from memory.
          long after = j + 1;
          while (after < count && groups.head[list[after]] < 0) after++;
          if (after < count) {
            source.k.prefetch(list[after] * a.key_chunk, a.key_chunk);
            source.v.prefetch(list[after] * a.key_chunk, a.key_chunk);
          }
          const long m = groups.take(list[j], a.top, some);
          if (c) c[list[j]] += (float)m;
          walk.start(list + j, 1, a.key_chunk);
          attend(block, some, m, source, walk, a.scale, m <= direct_rows);
        }
        if (selection)
          for (long i = 0; i < n * a.top; i++) selection[(bh * a.queries + r0) * a.top + i] = picks[i];
      }
      for (long i = 0; i < n; i++) {
        const vf r = splat(block.l[i] == 0 ? 0 : 1 / block.l[i]);
        float* out = o + at + i * a.width;
        for_lanes(a.d, [&](long j, long w) { store_n(out + j, load(block.o[i] + j) * r, w); });
        if (lse) lse[bh * a.queries + r0 + i] = block.m[i] + log(splat(block.l[i]))[0];
      }
    }
  }
}

}  // namespace ZT_NS

#define ZT_FUSED_ATTENTION_OPS(X) X(attention)
