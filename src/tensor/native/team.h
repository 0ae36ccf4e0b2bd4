// The team that runs one op: every op is called once per thread (SPMD) with the same arguments and its own Team.
// Nothing here may be instantiated out of line: three instruction sets are compiled from the same headers, and a
// weak symbol of one must never be linked into another. Hence always_inline and plain structs.
#pragma once
#include <stddef.h>
#include <stdint.h>

#define ZT_INLINE inline __attribute__((always_inline))

struct alignas(64) Barrier {
  int arrived;
  int pad_[15];
  int phase;
  int pad2_[15];
  int ticket;  // items of the running loop that have been given out
};

// Waits on a full team; the native pool gives its own (spin, yield, then sleep), wasm another (spin, then futex).
typedef void (*WaitFn)(int* word, int value);

struct Team {
  int index;  // this thread, 0 .. count-1
  int count;  // threads in the team: 1, or as many as the engine was told to use
  char* own;  // scratch of this thread
  char* own_end;
  char* common;  // scratch shared by the team: every thread must take the same pieces in the same order
  char* common_end;
  Barrier* gate;  // null where a thread runs one part of an op after the other (see OpEntry): there nobody meets
  WaitFn wait;    // returns when *word is no longer value, or earlier
  void (*wake)(int* word);

  // All threads of the team meet here.
  ZT_INLINE void barrier() {
    if (count == 1 || !gate) return;
    int phase = __atomic_load_n(&gate->phase, __ATOMIC_RELAXED);
    if (__atomic_add_fetch(&gate->arrived, 1, __ATOMIC_ACQ_REL) == count) {
      __atomic_store_n(&gate->arrived, 0, __ATOMIC_RELAXED);
      __atomic_store_n(&gate->ticket, 0, __ATOMIC_RELAXED);
      __atomic_store_n(&gate->phase, phase + 1, __ATOMIC_RELEASE);
      wake(&gate->phase);
      return;
    }
    while (__atomic_load_n(&gate->phase, __ATOMIC_ACQUIRE) == phase) wait(&gate->phase, phase);
  }

  // n elements of this thread's scratch, 64-byte aligned, valid until the op returns (or until release()).
  // Null when there is no room: sizes that depend on the input belong in a workspace tensor made in TypeScript.
  template <typename T = float>
  ZT_INLINE T* scratch(size_t n) {
    size_t bytes = (n * sizeof(T) + 63) & ~(size_t)63;
    if ((size_t)(own_end - own) < bytes) return 0;
    char* p = own;
    own += bytes;
    return (T*)p;
  }
  // n elements that all threads share; every thread must make the same calls in the same order.
  template <typename T = float>
  ZT_INLINE T* shared(size_t n) {
    size_t bytes = (n * sizeof(T) + 63) & ~(size_t)63;
    if ((size_t)(common_end - common) < bytes) return 0;
    char* p = common;
    common += bytes;
    return (T*)p;
  }
  ZT_INLINE char* mark() const { return own; }
  ZT_INLINE void release(char* mark) { own = mark; }

  // This thread's part of n independent items, in multiples of `grain`. Use it only where items do not influence
  // each other: then the result is the same for every thread count.
  ZT_INLINE void range(long n, long& from, long& to, long grain = 1) const {
    long units = (n + grain - 1) / grain;
    from = units * index / count * grain;
    to = units * (index + 1) / count * grain;
    if (from > n) from = n;
    if (to > n) to = n;
  }
  // f(i) for n independent items, each given to the thread that is free: one that has lost its core holds up one item.
  // Between two such loops must lie a barrier.
  template <typename F>
  ZT_INLINE void each(long n, F f) {
    if (count == 1 || !gate) {
      for (long i = gate ? 0 : index; i < n; i += gate ? 1 : count) f(i);
      return;
    }
    for (long i; (i = __atomic_fetch_add(&gate->ticket, 1, __ATOMIC_RELAXED)) < n;) f(i);
  }
};

typedef void (*Op)(const double* args, Team& team);
struct OpEntry {
  const char* name;
  Op run;
  // Threads never meet in it and share no scratch: it may be run as any number of parts, one after the other too.
  bool splits;
};
typedef const OpEntry* (*Table)(int* count);
// Bytes of scratch: reserved per thread and per team. Native maps them lazily; wasm has them in its memory.
#if defined(__wasm__)
#define ZT_OWN_BYTES ((size_t)6 << 20)
#define ZT_COMMON_BYTES ((size_t)6 << 20)
#else
#define ZT_OWN_BYTES ((size_t)64 << 20)
#define ZT_COMMON_BYTES ((size_t)64 << 20)
#endif
