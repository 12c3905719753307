/* Fifty threads that compute all the time: how evenly they run, and how soon one that is woken among them runs. */
#include "bench.h"
#include <sys/eventfd.h>

/* As in bench/guests/src/bin/busy.rs. */
#define THREADS 50
#define WINDOW_NS 1500000000
#define WAKES 8
#define WAKE_EVERY 20000000

static _Atomic bool stop;
static struct { _Alignas(64) _Atomic uint64_t value; } work[THREADS];
static int event;
static _Atomic uint64_t sent;
static uint64_t latency[WAKES];

static void *busy(void *number)
{
    _Atomic uint64_t *count = &work[(intptr_t)number].value;
    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        atomic_fetch_add_explicit(count, 1, memory_order_relaxed);
    return 0;
}

/* Computes, too, and wakes the waiter now and then. */
static void *waker(void *unused)
{
    uint64_t one = 1, last = ticks();
    while (!atomic_load_explicit(&stop, memory_order_relaxed))
        if (ticks() - last > WAKE_EVERY && atomic_load(&sent) == 0) {
            last = ticks();
            atomic_store(&sent, last);
            if (write(event, &one, 8) != 8)
                refuse("eventfd");
        }
    return unused;
}

static void *waiter(void *unused)
{
    uint64_t value;
    for (int i = 0; i < WAKES; i++) {
        if (read(event, &value, 8) != 8)
            refuse("eventfd");
        latency[i] = ticks() - atomic_load(&sent);
        atomic_store(&sent, 0);
    }
    return unused;
}

static void start(pthread_t *threads, int count)
{
    atomic_store(&stop, false);
    for (intptr_t i = 0; i < count; i++)
        if (pthread_create(&threads[i], 0, busy, (void *)i))
            refuse("pthread_create");
}

static void finish(pthread_t *threads, int count)
{
    atomic_store(&stop, true);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], 0);
}

static void fairness(void)
{
    pthread_t threads[THREADS];
    uint64_t least = UINT64_MAX, most = 0, before[THREADS];
    start(threads, THREADS);
    for (int i = 0; i < THREADS; i++)
        before[i] = atomic_load(&work[i].value);
    struct timespec window = {WINDOW_NS / 1000000000, WINDOW_NS % 1000000000};
    nanosleep(&window, 0);
    for (int i = 0; i < THREADS; i++) {
        uint64_t done = atomic_load(&work[i].value) - before[i];
        least = done < least ? done : least;
        most = done > most ? done : most;
    }
    finish(threads, THREADS);
    say("fairness.50", (double)most / (double)least, "times", least > 0);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* With a real-time policy, or as everybody. */
static void wake_up(const char *row, bool is_urgent)
{
    pthread_t threads[THREADS - 1], wakes, waits;
    struct sched_param first = {.sched_priority = 1};
    event = eventfd(0, 0);
    start(threads, THREADS - 1);
    if (pthread_create(&waits, 0, waiter, 0) || pthread_create(&wakes, 0, waker, 0))
        refuse("pthread_create");
    if (is_urgent && pthread_setschedparam(waits, SCHED_FIFO, &first))
        refuse("SCHED_FIFO");
    pthread_join(waits, 0);
    finish(threads, THREADS - 1);
    pthread_join(wakes, 0);
    qsort(latency, WAKES, sizeof latency[0], compare);
    say(row, (double)latency[WAKES / 2], "instructions", latency[0] > 0);
}

void busy_rows(void)
{
    fairness();
    wake_up("wake.busy50", false);
    wake_up("wake.busy50.urgent", true);
}
