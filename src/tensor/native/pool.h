// The thread pool of the addon: workers look for the next op for a while, offering their core, then sleep.
#pragma once
#include "team.h"

// Runs an op of about `work` floating point operations on at most `threads` threads, the caller among them. If another
// JavaScript thread is using the pool, the op runs on the caller alone: results do not depend on the number of threads.
void pool_run(const OpEntry& op, const double* args, int threads, double work);
