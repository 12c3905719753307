/* What the programs of the Linux guest share: the counter, the figure of many samples, the result line. */
#ifndef BENCH_H
#define BENCH_H
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Samples of one row at most. */
#define MAX_SAMPLES 1000
/* Runs before the first sample, which pay for everything that happens once. */
#define WARM_UP 20
#define PAGE_BYTES 4096

static inline uint64_t ticks(void)
{
    uint32_t low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
    return (uint64_t)high << 32 | low;
}

/* Ends the machine with a sentence: what the kernel refused. */
void refuse(const char *what) __attribute__((noreturn));

/* Ends the machine well. */
void shut_down(void) __attribute__((noreturn));

/* Says a result. */
void say(const char *row, double value, const char *unit, bool verified);

/* Runs `operation` many times and says the middle cost, of one in a batch of `batch`. It answers whether its result was right. */
void measure(const char *row, int samples, int batch, bool (*operation)(void));

/* The same in another unit: ticks are no instructions where processors run at the same time. */
void measure_in(const char *row, int samples, int batch, bool (*operation)(void), const char *unit);

/* Nanoseconds on the wall. */
uint64_t now(void);

/* Keeps the calling thread on one processor. */
void pin(int cpu);

/* The groups of rows, one in each file. */
void machine_rows(uint64_t first_ticks);
void ring_rows(void);
void pipe_rows(void);
void wake_rows(void);
void memory_rows(void);
void life_rows(void);
void parallel_rows(void);
void busy_rows(void);

#endif
