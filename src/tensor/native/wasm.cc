// WebAssembly glue: the same ops over a shared memory. The main instance calls run(); each worker sits in work().
#include "team.h"

extern "C" const OpEntry* zt_wasm_heavy(int* count);
extern "C" const OpEntry* zt_wasm_light(int* count);

namespace {

struct Control {
  alignas(64) int generation;
  alignas(64) int running;  // workers that have not finished the op
  alignas(64) int joined;   // workers that wait for ops
  int failed;               // a worker trapped: nobody may wait for it
  alignas(64) Barrier gate;
  int op;
  int count;
  int workers;  // that were there when the op began
};
Control control;
double arguments[8192];
char* common;
char* own[64];

void wait_word(int* word, int value) {
  for (int i = 0; i < 20000; i++)
    if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) return;
  if (__atomic_load_n(&control.failed, __ATOMIC_ACQUIRE)) __builtin_trap();
  __builtin_wasm_memory_atomic_wait32(word, value, 1000000);  // 1 ms: a lost wake-up costs no more
}
void wake_word(int* word) { __builtin_wasm_memory_atomic_notify(word, 1u << 30); }

Team team_of(int index, int count) {
  Team t;
  t.index = index;
  t.count = count;
  t.own = own[index];
  t.own_end = own[index] + ZT_OWN_BYTES;
  t.common = common;
  t.common_end = common + ZT_COMMON_BYTES;
  t.gate = &control.gate;
  t.wait = wait_word;
  t.wake = wake_word;
  return t;
}
const OpEntry* entry(int index) {
  int heavies, lights;
  const OpEntry* heavy = zt_wasm_heavy(&heavies);
  return index < heavies ? heavy + index : zt_wasm_light(&lights) + (index - heavies);
}
Op op_of(int index) { return entry(index)->run; }

}  // namespace

#define EXPORT extern "C" __attribute__((visibility("default"), used))

EXPORT double* args() { return arguments; }
EXPORT const char* op_name(int index) { return entry(index)->name; }
EXPORT int op_count() {
  int heavies, lights;
  zt_wasm_heavy(&heavies);
  zt_wasm_light(&lights);
  return heavies + lights;
}
EXPORT int own_bytes() { return (int)ZT_OWN_BYTES; }
EXPORT int common_bytes() { return (int)ZT_COMMON_BYTES; }
EXPORT void set_own(int index, char* p) { own[index] = p; }
EXPORT void set_common(char* p) { common = p; }
EXPORT int joined() { return __atomic_load_n(&control.joined, __ATOMIC_ACQUIRE); }
EXPORT void fail() {
  __atomic_store_n(&control.failed, 1, __ATOMIC_RELEASE);
  wake_word(&control.running);
}

// Runs op on at most `threads` threads, this one among them.
EXPORT void run(int op, int threads) {
  int workers = joined();
  int count = threads < workers + 1 ? threads : workers + 1;
  if (count == 1) {
    Team t = team_of(0, 1);
    return op_of(op)(arguments, t);
  }
  control.op = op;
  control.count = count;
  control.workers = workers;
  control.gate.arrived = 0;
  control.gate.ticket = 0;
  __atomic_store_n(&control.running, workers, __ATOMIC_RELEASE);
  __atomic_add_fetch(&control.generation, 1, __ATOMIC_ACQ_REL);
  wake_word(&control.generation);
  Team t = team_of(0, count);
  op_of(op)(arguments, t);
  for (int left; (left = __atomic_load_n(&control.running, __ATOMIC_ACQUIRE)) > 0;) wait_word(&control.running, left);
}

// The life of a worker; never returns. Workers number themselves in the order in which they come.
EXPORT void work() {
  int seen = __atomic_load_n(&control.generation, __ATOMIC_ACQUIRE);
  int index = __atomic_add_fetch(&control.joined, 1, __ATOMIC_ACQ_REL);
  while (true) {
    int now;
    while ((now = __atomic_load_n(&control.generation, __ATOMIC_ACQUIRE)) == seen) {
      for (int i = 0; i < 20000 && __atomic_load_n(&control.generation, __ATOMIC_ACQUIRE) == seen; i++) {
      }
      __builtin_wasm_memory_atomic_wait32(&control.generation, seen, -1);
    }
    seen = now;
    if (index > control.workers) continue;  // came while the op was being given out
    if (index < control.count) {
      Team t = team_of(index, control.count);
      op_of(control.op)(arguments, t);
    }
    if (__atomic_sub_fetch(&control.running, 1, __ATOMIC_ACQ_REL) == 0) wake_word(&control.running);
  }
}
