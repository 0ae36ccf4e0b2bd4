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

// A team member is never far behind: spin a little, then sleep, because on a busy machine the member may be waiting for
// the very core that spins.
std::atomic<int> dozing{0};

void wait_word(int* word, int value) {
  for (int i = 0; i < 2000; i++) {
    if (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) return;
    relax();
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

struct Pool {
  std::mutex busy;  // held by the JavaScript thread that runs an op
  std::mutex sleep;
  std::condition_variable morning;
  std::atomic<int> generation{0};
  std::atomic<int> sleepers{0};
  int running = 0;  // workers that have not finished the op
  std::atomic<Op> op{nullptr};
  const double* args = nullptr;
  int count = 1;
  int workers = 0;
  Barrier gate{};
  char* common = reserve(ZT_COMMON_BYTES);

  // `seen`: the generation when the thread was made; later ones are its jobs.
  void work(int index, int seen) {
    char* own = reserve(ZT_OWN_BYTES);
    while (true) {
      int spins = 0;
      while (generation.load(std::memory_order_acquire) == seen) {
        if (++spins < 3000) {
          relax();
          continue;
        }
        std::unique_lock<std::mutex> lock(sleep);
        sleepers.fetch_add(1);
        morning.wait(lock, [&] { return generation.load(std::memory_order_acquire) != seen; });
        sleepers.fetch_sub(1);
      }
      seen = generation.load(std::memory_order_acquire);
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
        std::thread(&Pool::work, this, workers + 1, generation.load()).detach();
      } catch (...) {
        return workers > 0;
      }
      workers++;
    }
    return true;
  }

  void run(Op f, const double* a, int threads, char* own) {
    grow(threads - 1);
    count = threads <= workers + 1 ? threads : workers + 1;
    op.store(f, std::memory_order_relaxed);
    args = a;
    gate.arrived = 0;
    __atomic_store_n(&running, workers, __ATOMIC_RELAXED);
    generation.fetch_add(1);
    if (sleepers.load() > 0) {
      std::lock_guard<std::mutex> lock(sleep);
      morning.notify_all();
    }
    Team t = team_of(0, count, own, common, &gate);
    f(a, t);
    for (int left; (left = __atomic_load_n(&running, __ATOMIC_ACQUIRE)) > 0;) wait_word(&running, left);
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

void pool_run(Op op, const double* args, int threads) {
  if (!alone.own) {
    alone.own = reserve(ZT_OWN_BYTES);
    alone.common = reserve(ZT_COMMON_BYTES);
  }
  if (threads > 1) {
    Pool* p = pool();
    if (p->busy.try_lock()) {
      p->run(op, args, threads, alone.own);
      p->busy.unlock();
      return;
    }
  }
  static Barrier none;
  Team t = team_of(0, 1, alone.own, alone.common, &none);
  op(args, t);
}
