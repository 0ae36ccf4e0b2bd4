#include "pool.h"

#include <sys/mman.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>
#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <sched.h>
#if defined(__linux__)
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#endif

namespace {

void relax() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Who waits spins for a microsecond or two, then offers its core at each look, because on a busy machine others may be
// waiting for the very core that spins, and last it sleeps. To offer takes .2 to .5 us where nobody wants the core; to be
// woken takes 5 to 50 on both sides.
enum {
  SPINS = 100,
  TEAM_LOOKS = 500,     // a team member is never far behind
  WORKER_LOOKS = 1000,  // between ops, 200 to 500 us: JavaScript takes less from one that is shared to the next
};
void pass_time(int look) {
  if (look < SPINS) relax();
  else sched_yield();
}

std::atomic<int> dozing{0};

void wait_word(int* word, int value) {
  for (int i = 0; i < TEAM_LOOKS; i++) {
    if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) return;
    pass_time(i);
  }
#if defined(__linux__)
  dozing.fetch_add(1);
  timespec limit{0, 2000000};
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, &limit, nullptr, 0);
  dozing.fetch_sub(1);
#else
  sched_yield();
#endif
}
void wake_word(int* word) {
#if defined(__linux__)
  // Sleepers announce themselves before they look at the word, and the word was changed before this look at them.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (dozing.load() > 0) syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1 << 30, nullptr, nullptr, 0);
#else
  (void)word;
#endif
}

char* reserve(size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return p == MAP_FAILED ? nullptr : static_cast<char*>(p);
}

Team team_of(int index, int count, char* own, char* common, Barrier* gate) {
  Team t;
  t.index = index;
  t.count = count;
  t.own = own;
  t.own_end = own ? own + ZT_OWN_BYTES : nullptr;
  t.common = common;
  t.common_end = common ? common + ZT_COMMON_BYTES : nullptr;
  t.gate = gate;
  t.wait = wait_word;
  t.wake = wake_word;
  return t;
}

// Two ways to run an op on several threads:
//
//   together  every thread runs its share and may meet the others at barriers, so all of them must come;
//   in parts  the op is cut into parts, and the caller takes one after the other. A worker that is awake helps itself to
//             the next; one that is late, asleep or without a core is not waited for. So an op is never slower than on
//             one thread, however busy the machine is.
struct Pool {
  std::mutex busy;  // held by the JavaScript thread that runs an op
  std::mutex sleep;
  std::condition_variable morning;
  std::atomic<int> generation{0};  // of ops of both kinds
  std::atomic<int> sleepers{0};
  int workers = 0;
  char* common = reserve(ZT_COMMON_BYTES);

  // The op that runs together.
  std::atomic<int> meeting{0};  // its number
  int running = 0;              // workers that have not finished it
  std::atomic<Op> op{nullptr};
  const double* args = nullptr;
  int count = 1;
  Barrier gate{};

  // The op that runs in parts: its fields are written while no worker is inside.
  std::atomic<int> is_open{0};
  int inside = 0;  // workers that are at it, or about to find out that it is closed
  Op parted = nullptr;
  const double* parted_args = nullptr;
  int parts = 0;
  std::atomic<int> next{0};

  void run_parts(Op f, const double* a, int n, char* own) {
    for (int i; (i = next.fetch_add(1, std::memory_order_relaxed)) < n;) {
      Team t = team_of(i, n, own, nullptr, nullptr);
      f(a, t);
    }
  }
  void help(char* own) {
    __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    if (is_open.load()) run_parts(parted, parted_args, parts, own);
    if (__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST) == 0) wake_word(&inside);
  }

  // `seen` and `met`: what was over when the thread was made.
  void work(int index, int seen, int met) {
    char* own = reserve(ZT_OWN_BYTES);
    while (true) {
      int looks = 0;
      while (generation.load(std::memory_order_acquire) == seen) {
        if (looks < WORKER_LOOKS) {
          pass_time(looks++);
          continue;
        }
        std::unique_lock<std::mutex> lock(sleep);
        sleepers.fetch_add(1);
        morning.wait(lock, [&] { return generation.load(std::memory_order_acquire) != seen; });
        sleepers.fetch_sub(1);
      }
      seen = generation.load(std::memory_order_acquire);
      const int now = meeting.load(std::memory_order_acquire);
      if (now == met) {
        help(own);
        continue;
      }
      // No other op begins before this worker is through.
      met = now;
      if (index < count) {
        Team t = team_of(index, count, own, common, &gate);
        op.load(std::memory_order_relaxed)(args, t);
      }
      if (__atomic_sub_fetch(&running, 1, __ATOMIC_ACQ_REL) == 0) wake_word(&running);
    }
  }

  bool grow(int wanted) {
    while (workers < wanted) {
      try {
        std::thread(&Pool::work, this, workers + 1, generation.load(), meeting.load()).detach();
      } catch (...) {
        return workers > 0;
      }
      workers++;
    }
    return true;
  }
  void announce(bool to_sleepers) {
    generation.fetch_add(1);
    if (to_sleepers && sleepers.load() > 0) {
      std::lock_guard<std::mutex> lock(sleep);
      morning.notify_all();
    }
  }

  void run_together(Op f, const double* a, int threads, char* own) {
    grow(threads - 1);
    count = threads <= workers + 1 ? threads : workers + 1;
    op.store(f, std::memory_order_relaxed);
    args = a;
    gate.arrived = gate.ticket = 0;
    __atomic_store_n(&running, workers, __ATOMIC_RELAXED);
    meeting.fetch_add(1);
    announce(true);
    Team t = team_of(0, count, own, common, &gate);
    f(a, t);
    for (int left; (left = __atomic_load_n(&running, __ATOMIC_ACQUIRE)) > 0;) wait_word(&running, left);
  }

  void run_in_parts(Op f, const double* a, int threads, int n, bool waking, char* own) {
    grow(threads - 1);
    parted = f;
    parted_args = a;
    parts = n;
    next.store(0, std::memory_order_relaxed);
    is_open.store(1);
    announce(waking);
    run_parts(f, a, n, own);
    is_open.store(0);
    for (int left; (left = __atomic_load_n(&inside, __ATOMIC_SEQ_CST)) > 0;) wait_word(&inside, left);
  }
};

Pool* pool() {
  static Pool* p = new Pool();  // never destroyed: workers outlive static destructors
  return p;
}

// Of a JavaScript thread that runs an op alone.
struct Alone {
  char* own = nullptr;
  char* common = nullptr;
  ~Alone() {
    if (own) munmap(own, ZT_OWN_BYTES);
    if (common) munmap(common, ZT_COMMON_BYTES);
  }
};
thread_local Alone alone;

}  // namespace

void pool_run(const OpEntry& entry, const double* args, int threads, double work) {
  if (!alone.own) {
    alone.own = reserve(ZT_OWN_BYTES);
    alone.common = reserve(ZT_COMMON_BYTES);
  }
  // About how long one thread takes, at 100 operations per ns: below, the others are not worth telling (4 us), waking (40
  // us), or waiting for (15 us).
  const double least = entry.splits ? 4e5 : 2e6, waking = 4e6, part = 1.5e6;
  if (threads > 1 && work >= least) {
    Pool* p = pool();
    if (p->busy.try_lock()) {
      if (entry.splits) {
        const int each = work < 2 * part * threads ? 1 : work < 4 * part * threads ? 2 : 4;
        p->run_in_parts(entry.run, args, threads, threads * each, work >= waking, alone.own);
      } else {
        p->run_together(entry.run, args, threads, alone.own);
      }
      p->busy.unlock();
      return;
    }
  }
  static Barrier none;
  Team t = team_of(0, 1, alone.own, alone.common, &none);
  entry.run(args, t);
}
