// What both passes of attention read: the arguments, lists of chunks, and the keys and values of one (batch row, head),
// packed once where scratch allows, and only the panels that some list names.
#pragma once
#include "attention-bf16.h"

namespace ZT_NS {

// Lists as offsets and chunks, shared by both passes.
struct ChunkTable {
  const int32_t *offsets, *chunks;
  ZT_INLINE const int32_t* list(long i, long& n) const {
    n = offsets ? offsets[i + 1] - offsets[i] : 0;
    return offsets ? chunks + offsets[i] : 0;
  }
};

// Where the rows of the heads lie, in numbers: token by token, the heads of a token beside each other, or head by head, the
// tokens of a head behind each other.
struct HeadRows {
  long ld, head, batch;  // from one row of a head to the next, from head to head, from batch row to batch row
  static ZT_INLINE HeadRows of(long rows, long heads, long d, bool head_major) {
    return {head_major ? d : heads * d, head_major ? rows * d : d, heads * rows * d};
  }
  ZT_INLINE long at(long b, long h) const { return b * batch + h * head; }
};

// The arguments both passes begin with.
struct AttentionShape {
  enum { VALUES = 14 };
  long batch, queries, keys, capacity, width, heads, d, dp, query_chunk, key_chunk, top, key_chunks;
  float scale;
  HeadRows stored;  // keys and values
  ChunkTable visible, candidates;
  ZT_INLINE void read(const double* x) {
    batch = (long)x[0], queries = (long)x[1], keys = (long)x[2], capacity = (long)x[3];
    width = (long)x[4], heads = (long)x[5], query_chunk = (long)x[6], key_chunk = (long)x[7], top = (long)x[8];
    visible = {ptr<const int32_t>(x[9]), ptr<const int32_t>(x[10])};
    candidates = {ptr<const int32_t>(x[11]), ptr<const int32_t>(x[12])};
    d = width / heads;
    stored = HeadRows::of(capacity, heads, d, x[13] != 0);
    dp = (d + VL - 1) / VL * VL;
    scale = 1 / __builtin_sqrtf((float)d);
    key_chunks = key_chunk ? keys / key_chunk : 0;
  }
  // Words pair neighbouring keys: no pair may reach into another chunk.
  ZT_INLINE bool in_bf16() const { return bf16_on && (key_chunk % 2 == 0 || key_chunks == 1); }
};

// Consecutive keys.
struct KeyRun {
  long key, count;
};

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
  ZT_INLINE bool more() {
    if (at < end) return true;
    if (i >= count || tokens == 0) return false;
    at = chunks[i] * tokens;
    end = at + tokens;
    for (i++; i < count && chunks[i] * tokens == end; i++) end += tokens;
    return true;
  }
  // The next runs, `most` keys together; 0 at the end.
  ZT_INLINE long runs(KeyRun* out, long most) {
    long n = 0;
    while (most > 0 && more()) {
      const long here = end - at < most ? end - at : most;
      out[n++] = {at, here};
      at += here;
      most -= here;
    }
    return n;
  }
  ZT_INLINE bool next(long& panel, int& lo, int& hi) {
    if (!more()) return false;
    panel = at / VL;
    lo = (int)(at - panel * VL);
    hi = (int)(end - panel * VL < VL ? end - panel * VL : VL);
    at = panel * VL + hi;
    return true;
  }
};

// The rows of keys or values of one (batch row, head): floats, read where they lie, or bf16, which are widened into room for
// the rows of a block of panels.
struct StoredRows {
  enum { SLOTS = ATTN_PANELS * VL, SEEN = 128 };  // numbers
  const float* floats = 0;
  const uint16_t* shorts = 0;
  bool in_bf16 = false;
  long ld = 0;  // numbers from one stored row to the next
  long d = 0, dp = 0;
  float* room = 0;

  ZT_INLINE void open(Team& team, const AttentionShape& a, bool stored_in_bf16) {
    d = a.d, dp = a.dp, ld = a.stored.ld, in_bf16 = stored_in_bf16;
    if (in_bf16) room = team.scratch((size_t)SLOTS * dp);
  }
  // All rows of all heads lie at `at`.
  ZT_INLINE void point(const void* at, long first) {
    if (in_bf16) shorts = (const uint16_t*)at + first;
    else floats = (const float*)at + first;
  }
  // Numbers between rows that `read` returns.
  ZT_INLINE long stride() const { return in_bf16 ? dp : ld; }
  // n rows from `row` on; in bf16 they stay until others are read into these slots.
  ZT_INLINE const float* read(long row, long n, long slot = 0) const {
    if (!in_bf16) return floats + row * ld;
    float* out = room + slot * dp;
    for (long i = 0; i < n; i++) {
      const uint16_t* in = shorts + (row + i) * ld;
      for (long j = 0; j < d; j += VL) store(out + i * dp + j, d - j < VL ? load_part(in + j, d - j) : load(in + j));
    }
    return out;
  }
  // f(the rows from `row` on as they are stored, numbers between them)
  template <typename F>
  ZT_INLINE void where_stored(long row, F f) const {
    if (in_bf16) f(shorts + row * ld, ld);
    else f(floats + row * ld, ld);
  }
  // Asks for n rows. Of those that lie behind each other the hardware fetches the rest when it has seen the first.
  ZT_INLINE void prefetch(long row, long n) const {
    const long first = SEEN / ld;
    if (ld == d && n > first) n = first > 0 ? first : 1;
    if (!in_bf16) return prefetch_far_rows(floats + row * ld, ld, n, d);
    for (long i = 0; i < n; i++)
      for (long j = 0; j < d; j += 32) __builtin_prefetch(shorts + (row + i) * ld + j, 0, 2);
  }
};

// Keys and values of one (batch row, head).
struct KeySource {
  StoredRows k, v;
  long keys, d, dp;
  bool backward, keep, bf16;
  float *key_columns, *second;  // `second`: value rows (forward) or value columns (backward)
  float* key_rows;              // backward
  enum { KEYS = 1, ALL = 2 };
  unsigned char* done;  // 0, KEYS or ALL

  // stored_in_bf16: keys and values are given so (forward only)
  ZT_INLINE void open(Team& team, const AttentionShape& a, bool is_backward, bool stored_in_bf16) {
    keys = a.keys;
    bf16 = a.in_bf16();
    d = a.d;
    dp = a.dp;
    backward = is_backward;
    k.open(team, a, stored_in_bf16);
    v.open(team, a, stored_in_bf16);
    const long panels = (keys + VL - 1) / VL;
    const size_t room = (size_t)(team.own_end - team.own);
    const size_t full = (size_t)panels * VL * dp * sizeof(float) * (backward ? 3 : 2) + panels + 1024;
    // What no other block of rows will read is packed where the last was.
    keep = a.queries > ATTN_ROWS && full < room / 4 * 3;
    const long held = keep ? panels : (long)ATTN_PANELS;
    key_columns = team.scratch((size_t)held * VL * dp);
    second = team.scratch((size_t)held * VL * dp);
    key_rows = backward ? team.scratch((size_t)held * VL * dp) : 0;
    done = keep ? team.scratch<unsigned char>(panels ? panels : 1) : 0;
  }
  // The (batch row, head) whose keys and values begin `first` numbers after these.
  ZT_INLINE void point(const void* keys_at, const void* values_at, long first) {
    k.point(keys_at, first);
    v.point(values_at, first);
    if (keep)
      for (long i = 0; i < (keys + VL - 1) / VL; i++) done[i] = 0;
  }
  ZT_INLINE void fetch(long panel, long slot, Panel& out) {
    const long at = (keep ? panel : slot) * VL * dp, key0 = panel * VL, n = keys - key0 < VL ? keys - key0 : VL;
    float *a = key_columns + at, *b = second + at;
    if (!keep || done[panel] != ALL) {
      const float *key_at = k.read(key0, n), *value_at = v.read(key0, n);
      const long ld = k.stride();
      if (bf16) {
        pack_columns_bf16(key_at, ld, n, d, (uint32_t*)a);
        if (backward) {
          pack_columns_bf16(value_at, ld, n, d, (uint32_t*)b);
          pack_rows_bf16(key_at, ld, n, d, dp, (uint32_t*)(key_rows + at));
        } else {
          pack_rows_bf16(value_at, ld, n, d, dp, (uint32_t*)b);
        }
      } else {
        pack_columns(key_at, ld, n, d, a);
        if (backward) {
          pack_columns(value_at, ld, n, d, b);
          pack_rows(key_at, ld, n, VL, d, dp, key_rows + at);
        } else {
          pack_rows(value_at, ld, n, VL, d, dp, b);
        }
      }
      if (keep) done[panel] = ALL;
    }
    out.key_columns = a;
    out.value_columns = backward ? b : 0;
    out.key_rows = backward ? key_rows + at : 0;
    out.value_rows = backward ? 0 : b;
    out.key0 = key0;
  }
  // The keys of a panel as columns, and nothing else (forward, not bf16).
  ZT_INLINE const float* columns(long panel, long slot) {
    float* to = key_columns + (keep ? panel : slot) * VL * dp;
    if (keep && done[panel]) return to;
    pack_columns(k.read(panel * VL, VL), k.stride(), VL, d, to);
    if (keep) done[panel] = KEYS;
    return to;
  }
  // The keys and values of a panel as rows, for block `slot` of ATTN_PANELS.
  ZT_INLINE void point_at(long panel, long slot, Panel& out) const {
    const long left = keys - panel * VL, n = left < VL ? left : (long)VL;
    out.key0 = panel * VL;
    out.key_rows = k.read(out.key0, n, slot * VL);
    out.value_rows = v.read(out.key0, n, slot * VL);
  }
  // Fills a block of panels; 0 at the end of the walk.
  ZT_INLINE long block(PanelWalk& walk, Panel* panels, bool direct) {
    long n = 0, index;
    int lo, hi;
    while (n < ATTN_PANELS && walk.next(index, lo, hi)) {
      if (direct) point_at(index, n, panels[n]);
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

}  // namespace ZT_NS
