/* Two threads that wake each other: by event descriptors, and by a futex. */
#include "bench.h"
#include <linux/futex.h>
#include <sys/eventfd.h>

#define SAMPLES 1000

static int events[2];

static bool event_round(void)
{
    uint64_t value = 1;
    return write(events[0], &value, 8) == 8 && read(events[1], &value, 8) == 8 && value == 1;
}

static void *event_peer(void *unused)
{
    uint64_t value;
    while (read(events[0], &value, 8) == 8 && value == 1)
        if (write(events[1], &value, 8) != 8)
            break;
    return unused;
}

static void event_rows(void)
{
    pthread_t peer;
    uint64_t stop = 2;
    events[0] = eventfd(0, 0);
    events[1] = eventfd(0, 0);
    if (pthread_create(&peer, 0, event_peer, 0))
        refuse("pthread_create");
    measure("notification.rtt", SAMPLES, 1, event_round);
    if (write(events[0], &stop, 8) != 8)
        refuse("eventfd");
    pthread_join(peer, 0);
}

enum { MINE, YOURS, STOP };
static _Atomic uint32_t turn;

static void futex(int operation, uint32_t value)
{
    syscall(SYS_futex, &turn, operation | FUTEX_PRIVATE_FLAG, value, 0, 0, 0);
}

static void pass_to(uint32_t whom)
{
    atomic_store(&turn, whom);
    futex(FUTEX_WAKE, 1);
}

static bool futex_round(void)
{
    pass_to(YOURS);
    while (atomic_load(&turn) == YOURS)
        futex(FUTEX_WAIT, YOURS);
    return atomic_load(&turn) == MINE;
}

static void *futex_peer(void *unused)
{
    for (;;) {
        uint32_t whose;
        while ((whose = atomic_load(&turn)) == MINE)
            futex(FUTEX_WAIT, MINE);
        if (whose == STOP)
            return unused;
        pass_to(MINE);
    }
}

static void futex_rows(void)
{
    pthread_t peer;
    if (pthread_create(&peer, 0, futex_peer, 0))
        refuse("pthread_create");
    measure("park.rtt", SAMPLES, 1, futex_round);
    pass_to(STOP);
    pthread_join(peer, 0);
}

void wake_rows(void)
{
    event_rows();
    futex_rows();
}
