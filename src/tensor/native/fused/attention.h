// Attention over chunk lists with online softmax (Milakov and Gimelshein 1805.02867; Dao et al. 2205.14135), optionally
// routed: top-k chunks per (token, head) by q . mean key. Keys and values are packed once per (batch row, head) where
// scratch allows, and only the panels that some list names.
//
// A (batch row, head) belongs to one thread in the backward pass: no atomics, sums in the order of the lists.
#pragma once
#include "attention-tiles.h"

namespace ZT_NS {

// Walks the panels of runs of consecutive chunks.
struct PanelWalk {
  const int32_t* chunks;
  long count, tokens, i, at, end;
  ZT_INLINE void start(const int32_t* list, long n, long chunk_tokens) {
    chunks = list;
    count = n;
    tokens = chunk_tokens;
    i = at = end = 0;
  }
  ZT_INLINE bool next(long& panel, int& lo, int& hi) {
    if (at >= end) {
      if (i >= count || tokens == 0) return false;
      at = chunks[i] * tokens;
      end = at + tokens;
      for (i++; i < count && chunks[i] * tokens == end; i++) end += tokens;
    }
    panel = at / VL;
    lo = (int)(at - panel * VL);
    hi = (int)(end - panel * VL < VL ? end - panel * VL : VL);
    at = panel * VL + hi;
    return true;
  }
};

// Keys and values of one (batch row, head).
struct KeySource {
  const float *k, *v;
  long ld, keys, d, dp;
  bool backward, keep;
  float *key_columns, *second;  // `second`: value rows (forward) or value columns (backward)
  float* key_rows;              // backward
  unsigned char* done;

  ZT_INLINE void open(Team& team, long key_count, long width, long padded, long leading, bool is_backward) {
    keys = key_count;
    d = width;
    dp = padded;
    ld = leading;
    backward = is_backward;
    const long panels = (keys + VL - 1) / VL;
    const size_t room = (size_t)(team.own_end - team.own);
    const size_t full = (size_t)panels * VL * dp * sizeof(float) * (backward ? 3 : 2) + panels + 1024;
    keep = full < room / 4 * 3;
    const long held = keep ? panels : (long)ATTN_PANELS;
    key_columns = team.scratch((size_t)held * VL * dp);
    second = team.scratch((size_t)held * VL * dp);
    key_rows = backward ? team.scratch((size_t)held * VL * dp) : 0;
    done = keep ? team.scratch<unsigned char>(panels ? panels : 1) : 0;
  }
  ZT_INLINE void point(const float* keys_at, const float* values_at) {
    k = keys_at;
    v = values_at;
    if (keep)
      for (long i = 0; i < (keys + VL - 1) / VL; i++) done[i] = 0;
  }
  ZT_INLINE void fetch(long panel, long slot, Panel& out) {
    const long at = (keep ? panel : slot) * VL * dp, key0 = panel * VL, n = keys - key0 < VL ? keys - key0 : VL;
    float *a = key_columns + at, *b = second + at;
    if (!keep || !done[panel]) {
      pack_columns(k + key0 * ld, ld, n, d, a);
      if (backward) {
        pack_columns(v + key0 * ld, ld, n, d, b);
        pack_rows(k + key0 * ld, ld, n, VL, d, dp, key_rows + at);
      } else {
        pack_rows(v + key0 * ld, ld, n, VL, d, dp, b);
      }
      if (keep) done[panel] = 1;
    }
    out.key_columns = a;
    out.value_columns = backward ? b : 0;
    out.key_rows = backward ? key_rows + at : 0;
    out.value_rows = backward ? 0 : b;
    out.key0 = key0;
  }
  // The keys and values where they lie.
  ZT_INLINE void point_at(long panel, Panel& out) const {
    out.key0 = panel * VL;
    out.key_rows = k + out.key0 * ld;
    out.value_rows = v + out.key0 * ld;
  }
  // Fills a block of panels; 0 at the end of the walk.
  ZT_INLINE long block(PanelWalk& walk, Panel* panels, bool direct) {
    long n = 0, index;
    int lo, hi;
    while (n < ATTN_PANELS && walk.next(index, lo, hi)) {
      if (direct) point_at(index, panels[n]);
      else fetch(index, n, panels[n]);
      panels[n].lo = lo;
      panels[n].hi = hi;
      n++;
    }
    return n;
  }
};

static ZT_INLINE vi lane_numbers() {
  vi v;
  for (int i = 0; i < VL; i++) v[i] = i;
  return v;
}
static ZT_INLINE vi lanes_between(int lo, int hi) {
  const vi lanes = lane_numbers();
  return (lanes >= splat_i(lo)) & (lanes < splat_i(hi));
}

// Lists as offsets and chunks, shared by both passes.
struct ChunkTable {
  const int32_t *offsets, *chunks;
  ZT_INLINE const int32_t* list(long i, long& n) const {
    n = offsets ? offsets[i + 1] - offsets[i] : 0;
    return offsets ? chunks + offsets[i] : 0;
  }
};

// The arguments both passes begin with.
struct AttentionShape {
  long batch, queries, keys, capacity, width, heads, d, dp, query_chunk, key_chunk, top, key_chunks;
  float scale;
  ChunkTable visible, candidates;
  ZT_INLINE void read(const double* x) {
    batch = (long)x[0], queries = (long)x[1], keys = (long)x[2], capacity = (long)x[3];
    width = (long)x[4], heads = (long)x[5], query_chunk = (long)x[6], key_chunk = (long)x[7], top = (long)x[8];
    visible = {ptr<const int32_t>(x[9]), ptr<const int32_t>(x[10])};
    candidates = {ptr<const int32_t>(x[11]), ptr<const int32_t>(x[12])};
    d = width / heads;
    dp = (d + VL - 1) / VL * VL;
    scale = 1 / __builtin_sqrtf((float)d);
    key_chunks = key_chunk ? keys / key_chunk : 0;
  }
};

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
          const vf above = select(open_lanes & (v >= splat(bar)), splat(1.0f), splat(0.0f));
          if (lane_max(above) > 0)
            for (int l = 0; l < VL; l++)
              if (above[l] > 0) consider(r, v[l], (int32_t)((p0 + i) * VL + l));
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

// State of a block of query rows in the forward pass.
struct ForwardBlock {
  float *q[ATTN_ROWS], *s[ATTN_ROWS], *o[ATTN_ROWS];
  float m[ATTN_ROWS], l[ATTN_ROWS];
};

// Adds the keys of the walk to the given rows; `direct` reads keys and values where they lie.
static void attend(ForwardBlock& block, const int* rows, long n, KeySource& source, PanelWalk& walk, float scale,
                   bool direct) {
  Panel panels[ATTN_PANELS];
  const float* q[ATTN_ROWS];
  float *s[ATTN_ROWS], *o[ATTN_ROWS], alpha[ATTN_ROWS];
  for (long i = 0; i < n; i++) {
    q[i] = block.q[rows[i]];
    s[i] = block.s[rows[i]];
    o[i] = block.o[rows[i]];
  }
  while (long count = source.block(walk, panels, direct)) {
    if (direct) {
      for (long i = 0; i < n; i++)
        for (long j = 0; j < count; j++) {
          const Panel& at = panels[j];
          store(s[i] + j * VL, direct_scores(q[i], at.key_rows, source.ld, source.d, at.lo, at.hi) * splat(scale));
        }
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
    }
    mix(s, n, panels, count, false, source.dp, direct ? source.ld : source.dp, alpha, o);
  }
}

// AttentionShape (13 values), q, k, v, pooled, pooled rows per batch row, o, lse, selection, counts, gate; the last four
// may be null. gate: queries to route by, in place of q. selection: int32 [B, heads, queries, top]; counts: [B, heads, query chunks, key chunks].
static void attention(const double* x, Team& team) {
  AttentionShape a;
  a.read(x);
  const float *q = ptr<const float>(x[13]), *k = ptr<const float>(x[14]), *v = ptr<const float>(x[15]);
  const float* pooled = ptr<const float>(x[16]);
  const long pooled_rows = (long)x[17];
  float *o = ptr<float>(x[18]), *lse = ptr<float>(x[19]);
  int32_t* selection = ptr<int32_t>(x[20]);
  float* counts = ptr<float>(x[21]);
  const float* gate = ptr<const float>(x[22]);

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
  float* rows = team.scratch((size_t)ATTN_ROWS * (2 * a.dp + ATTN_STRIDE));
  for (long i = 0; i < ATTN_ROWS; i++) {
    block.q[i] = rows + i * a.dp;
    block.o[i] = rows + (ATTN_ROWS + i) * a.dp;
    block.s[i] = rows + ATTN_ROWS * 2 * a.dp + i * ATTN_STRIDE;
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
  source.open(team, a.keys, a.d, a.dp, a.width, false);
  int all[ATTN_ROWS], some[ATTN_ROWS];
  for (int i = 0; i < ATTN_ROWS; i++) all[i] = i;

  // Packing a chunk pays when several rows share it, sooner where later query chunks will find it packed.
  const long direct_rows = a.d % VL ? 0 : chunks * per > 2 ? 2 : 4;
  long current = -1;
  for (long item = from; item < to; item++) {
    const long bh = item / parts, part = item % parts, b = bh / a.heads, h = bh % a.heads;
    if (bh != current) {
      source.point(k + b * a.capacity * a.width + h * a.d, v + b * a.capacity * a.width + h * a.d);
      current = bh;
    }
    const long first = units * part / parts * size, last = units * (part + 1) / parts * size;
    for (long u = first; u < last; u++) {
      const long chunk = u / per, r0 = chunk * a.query_chunk + u % per * ATTN_ROWS;
      const long end = (chunk + 1) * a.query_chunk, n = end - r0 < ATTN_ROWS ? end - r0 : (long)ATTN_ROWS;
      const long at = (b * a.queries + r0) * a.width + h * a.d;
      pack_rows(q + at, a.width, n, n, a.d, a.dp, rows);
      for (long i = 0; i < n; i++) {
        block.m[i] = -__builtin_inff();
        block.l[i] = 0;
        for (long j = 0; j < a.dp; j += VL) store(block.o[i] + j, splat(0.0f));
      }
      PanelWalk walk;
      long count;
      const int32_t* list = a.visible.list(chunk, count);
      walk.start(list, count, a.key_chunk);
      attend(block, all, n, source, walk, a.scale, false);
      if (a.top > 0) {
        list = a.candidates.list(chunk, count);
        if (gate_room) pack_rows(gate + at, a.width, n, n, a.d, a.dp, gate_room);
        router.pick(gate_rows, n, pooled + b * pooled_rows * a.width + h * a.d, a.width, a.d, list, count,
                    block.s, picks);
        groups.fill(picks, n, a.top);
        float* c = counts ? counts + (bh * chunks + chunk) * a.key_chunks : 0;
        if (c && r0 == chunk * a.query_chunk)
          for (long j = 0; j < a.key_chunks; j++) c[j] = 0;
        for (long j = 0; j < count; j++) {
          if (groups.head[list[j]] < 0) continue;
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

// State of a block of query rows in the backward pass.
struct BackwardBlock {
  float *q[ATTN_ROWS], *g[ATTN_ROWS], *dq[ATTN_ROWS], *s[ATTN_ROWS], *t[ATTN_ROWS];
  float lse[ATTN_ROWS], delta[ATTN_ROWS];
};

// Gradients through the keys of the walk for the given rows; dk and dv begin at key 0 of the (batch row, head).
static void attend_back(BackwardBlock& block, const int* rows, long n, KeySource& source, PanelWalk& walk, float scale,
                        float* dk, float* dv) {
  Panel panels[ATTN_PANELS];
  const float *q[ATTN_ROWS], *g[ATTN_ROWS];
  float *dq[ATTN_ROWS], *s[ATTN_ROWS], *t[ATTN_ROWS];
  for (long i = 0; i < n; i++) {
    q[i] = block.q[rows[i]];
    g[i] = block.g[rows[i]];
    dq[i] = block.dq[rows[i]];
    s[i] = block.s[rows[i]];
    t[i] = block.t[rows[i]];
  }
  while (long count = source.block(walk, panels, false)) {
    scores(q, n, panels, count, false, source.d, scale, s);
    scores(g, n, panels, count, true, source.d, 1, t);
    for (long i = 0; i < n; i++) {
      const vf lse = splat(block.lse[rows[i]]), delta = splat(block.delta[rows[i]]), c = splat(scale);
      for (long j = 0; j < count; j++) {
        // Lanes outside lo..hi are computed but never read: mix and spread stop at them.
        const vf p = exp(load(s[i] + j * VL) - lse);
        store(s[i] + j * VL, p);
        store(t[i] + j * VL, p * (load(t[i] + j * VL) - delta) * c);
      }
    }
    mix(t, n, panels, count, true, source.dp, source.dp, 0, dq);
    spread(t, n, panels, count, q, source.d, dk, source.ld);
    spread(s, n, panels, count, g, source.d, dv, source.ld);
  }
}

// AttentionShape (13 values), q, k, v, o, lse, selection (or null), do, dq, dk, dv
static void attention_grad(const double* x, Team& team) {
  AttentionShape a;
  a.read(x);
  const float *q = ptr<const float>(x[13]), *k = ptr<const float>(x[14]), *v = ptr<const float>(x[15]);
  const float *o = ptr<const float>(x[16]), *lse = ptr<const float>(x[17]);
  const int32_t* selection = ptr<const int32_t>(x[18]);
  const float* g = ptr<const float>(x[19]);
  float *dq = ptr<float>(x[20]), *dk = ptr<float>(x[21]), *dv = ptr<float>(x[22]);
  long from, to;
  team.range(a.batch * a.heads, from, to);
  if (to <= from) return;

  KeySource source;
  BackwardBlock block;
  float* rows = team.scratch((size_t)ATTN_ROWS * (3 * a.dp + 2 * ATTN_STRIDE));
  for (long i = 0; i < ATTN_ROWS; i++) {
    block.q[i] = rows + i * a.dp;
    block.g[i] = rows + (ATTN_ROWS + i) * a.dp;
    block.dq[i] = rows + (2 * ATTN_ROWS + i) * a.dp;
    block.s[i] = rows + 3 * ATTN_ROWS * a.dp + i * ATTN_STRIDE;
    block.t[i] = rows + 3 * ATTN_ROWS * a.dp + (ATTN_ROWS + i) * ATTN_STRIDE;
  }
  Groups groups;
  if (a.top > 0) groups.open(team, a.key_chunks, a.top);
  source.open(team, a.keys, a.d, a.dp, a.width, true);
  int all[ATTN_ROWS], some[ATTN_ROWS];
  for (int i = 0; i < ATTN_ROWS; i++) all[i] = i;

  const long chunks = a.query_chunk ? a.queries / a.query_chunk : 0;
  for (long bh = from; bh < to; bh++) {
    const long b = bh / a.heads, h = bh % a.heads, key_at = b * a.capacity * a.width + h * a.d;
    source.point(k + key_at, v + key_at);
    for (long i = 0; i < a.capacity; i++)
      for_lanes(a.d, [&](long j, long w) {
        store_n(dk + key_at + i * a.width + j, splat(0.0f), w);
        store_n(dv + key_at + i * a.width + j, splat(0.0f), w);
      });
    for (long chunk = 0; chunk < chunks; chunk++) {
      const long end = (chunk + 1) * a.query_chunk;
      for (long r0 = chunk * a.query_chunk; r0 < end; r0 += ATTN_ROWS) {
        const long n = end - r0 < ATTN_ROWS ? end - r0 : (long)ATTN_ROWS;
        const long at = (b * a.queries + r0) * a.width + h * a.d;
        pack_rows(q + at, a.width, n, n, a.d, a.dp, block.q[0]);
        pack_rows(g + at, a.width, n, n, a.d, a.dp, block.g[0]);
        for (long i = 0; i < n; i++) {
          block.lse[i] = lse[bh * a.queries + r0 + i];
          prefetch_rows(o + at + (i + 8) * a.width, a.width, 1, a.d);
          vf s = splat(0.0f);
          for_lanes(a.d, [&](long j, long w) { s = fma(load_n(o + at + i * a.width + j, w), load(block.g[i] + j), s); });
          block.delta[i] = lane_sum(s);
          for (long j = 0; j < a.dp; j += VL) store(block.dq[i] + j, splat(0.0f));
        }
        PanelWalk walk;
        long count;
        const int32_t* list = a.visible.list(chunk, count);
        walk.start(list, count, a.key_chunk);
        attend_back(block, all, n, source, walk, a.scale, dk + key_at, dv + key_at);
        if (a.top > 0) {
          list = a.candidates.list(chunk, count);
          groups.fill(selection + (bh * a.queries + r0) * a.top, n, a.top);
          for (long j = 0; j < count; j++) {
            if (groups.head[list[j]] < 0) continue;
            const long m = groups.take(list[j], a.top, some);
            walk.start(list + j, 1, a.key_chunk);
            attend_back(block, some, m, source, walk, a.scale, dk + key_at, dv + key_at);
          }
        }
        for (long i = 0; i < n; i++)
          for_lanes(a.d, [&](long j, long w) { store_n(dq + at + i * a.width + j, load(block.dq[i] + j), w); });
      }
    }
  }
}

}  // namespace ZT_NS

#define ZT_FUSED_ATTENTION_OPS(X) X(attention) X(attention_grad)
