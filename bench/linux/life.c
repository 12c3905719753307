/* Threads and processes that start and end. */
#include "bench.h"

#define THREADS 400
#define PROCESSES 400

static _Atomic uint32_t ran;

static void *body(void *unused)
{
    atomic_fetch_add(&ran, 1);
    return unused;
}

static bool thread(void)
{
    pthread_t thread;
    uint32_t before = atomic_load(&ran);
    return !pthread_create(&thread, 0, body, 0) && !pthread_join(thread, 0) && atomic_load(&ran) == before + 1;
}

/* By vfork, the cheapest way: no page tables are copied. */
static bool process(void)
{
    char *arguments[] = {"null", 0}, *environment[] = {0};
    int status;
    pid_t child = vfork();
    if (child == 0) {
        execve("/null", arguments, environment);
        _exit(1);
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

void life_rows(void)
{
    measure("thread.create_join", THREADS, 1, thread);
    measure("process.spawn_wait", PROCESSES, 1, process);
}
