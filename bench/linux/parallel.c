/* What two processors do at the same time: the same work by one and by two, as threads and as processes; messages within one
   pair of processes and within two; and messages from one processor to the other. */
#include "bench.h"

/* As in bench/guests/src/work.rs. */
#define ROUNDS 4000
#define STEPS 4000
/* Runs of which the fastest counts: the host does other things, too. */
#define REPEATS 7
/* As in bench/guests/src/bin/parallel.rs. */
#define CALLS 1000
#define BYTES 64
/* As in bench/guests/src/bin/caller.rs. */
#define PAIR_ROUNDS 10000

/* Computes, and calls the kernel after every so many steps; whether every call did what it should. */
static bool work(void)
{
    uint64_t value = 1;
    bool good = true;
    for (int round = 0; round < ROUNDS; round++) {
        for (int step = 0; step < STEPS; step++) {
            value ^= value << 13;
            value ^= value >> 7;
            value ^= value << 17;
        }
        good = good && syscall(SYS_getppid) >= 0;
    }
    return good && value != 0;
}

static void *thread(void *good)
{
    *(bool *)good = work();
    return 0;
}

static bool threads(int count)
{
    pthread_t thread_of[2];
    bool good[2] = {true, true};
    for (int i = 0; i < count; i++)
        if (pthread_create(&thread_of[i], 0, thread, &good[i]))
            refuse("pthread_create");
    for (int i = 0; i < count; i++)
        pthread_join(thread_of[i], 0);
    return good[0] && good[1];
}

static bool processes(int count)
{
    bool good = true;
    for (int i = 0; i < count; i++)
        if (fork() == 0)
            _exit(work() ? 0 : 1);
    for (int i = 0; i < count; i++) {
        int status;
        good = wait(&status) > 0 && status == 0 && good;
    }
    return good;
}

static uint64_t fastest(bool (*run)(int), int count, bool *good)
{
    uint64_t best = UINT64_MAX;
    for (int i = 0; i < REPEATS; i++) {
        uint64_t start = now();
        *good = run(count) && *good;
        uint64_t cost = now() - start;
        best = cost < best ? cost : best;
    }
    return best;
}

static void scale(const char *row, bool (*run)(int))
{
    bool good = true;
    uint64_t one = fastest(run, 1, &good), two = fastest(run, 2, &good);
    say(row, 2.0 * (double)one / (double)two, "times", good);
}

static int there[2], back[2];
static char message[BYTES];
static char round_number;

static bool exchange(void)
{
    message[0] = message[BYTES - 1] = ++round_number;
    if (write(there[1], message, BYTES) != BYTES)
        return false;
    message[0] = message[BYTES - 1] = 0;
    return read(back[0], message, BYTES) == BYTES && message[0] == round_number && message[BYTES - 1] == round_number;
}

/* Gives back what comes, on this processor, until the other side is gone. */
static void echo(int cpu)
{
    pin(cpu);
    close(there[1]);
    while (read(there[0], message, BYTES) == BYTES)
        if (write(back[1], message, BYTES) != BYTES)
            break;
    _exit(0);
}

/* Calls a process on the same processor again and again. */
static void call(int cpu)
{
    pin(cpu);
    if (pipe(there) || pipe(back))
        refuse("pipe");
    pid_t peer = fork();
    if (peer == 0)
        echo(cpu);
    bool good = true;
    for (int round = 0; round < PAIR_ROUNDS; round++)
        good = exchange() && good;
    close(there[1]);
    waitpid(peer, 0, 0);
    _exit(good ? 0 : 1);
}

static bool pairs(int count)
{
    for (int i = 0; i < count; i++)
        if (fork() == 0)
            call(i);
    bool good = true;
    for (int i = 0; i < count; i++) {
        int status;
        good = wait(&status) > 0 && status == 0 && good;
    }
    return good;
}

static void across(void)
{
    if (pipe(there) || pipe(back))
        refuse("pipe");
    pid_t peer = fork();
    if (peer == 0)
        echo(1);
    pin(0);
    measure_in("ipc.cross.64", CALLS, 1, exchange, "ticks");
    close(there[1]);
    waitpid(peer, 0, 0);
}

void parallel_rows(void)
{
    scale("scale.process.2", processes);
    scale("scale.thread.2", threads);
    scale("scale.ipc.2", pairs);
    across();
}
