// The thread pool of the addon: workers spin shortly after an op, then sleep.
#pragma once
#include "team.h"

// Runs op on `threads` threads, the caller among them. If another JavaScript thread is using the pool, the op runs on
// the caller alone: results do not depend on the number of threads.
void pool_run(Op op, const double* args, int threads);
