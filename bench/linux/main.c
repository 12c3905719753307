/* The first program of the Linux guest: measures what the machine is for, then turns it off by the debug-exit device. */
#include "bench.h"
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>

/* As in capos-abi/src/debug_exit.rs. */
#define EXIT_PORT 0xf4
#define SHUTDOWN 1

void refuse(const char *what)
{
    printf("%s: %s\n", what, strerror(errno));
    fflush(stdout);
    reboot(RB_AUTOBOOT);
    exit(1);
}

void shut_down(void)
{
    fflush(stdout);
    if (iopl(3))
        refuse("iopl");
    outl(SHUTDOWN, EXIT_PORT);
    refuse("debug-exit device");
}

void say(const char *row, double value, const char *unit, bool verified)
{
    printf("bench %s %.3f %s %s\n", row, value, unit, verified ? "verified" : "wrong");
    fflush(stdout);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool nothing(void) { return true; }

/* The middle cost in ticks, what the measurement costs included. */
static uint64_t middle(int samples, bool (*operation)(void), bool *verified)
{
    static uint64_t cost[MAX_SAMPLES];
    for (int i = -WARM_UP; i < samples; i++) {
        uint64_t start = ticks();
        bool good = operation();
        uint64_t end = ticks();
        *verified = *verified && good;
        if (i >= 0)
            cost[i] = end - start;
    }
    qsort(cost, samples, sizeof cost[0], compare);
    return cost[samples / 2];
}

void measure(const char *row, int samples, int batch, bool (*operation)(void))
{
    measure_in(row, samples, batch, operation, "instructions");
}

void measure_in(const char *row, int samples, int batch, bool (*operation)(void), const char *unit)
{
    bool verified = true;
    uint64_t empty = middle(samples, nothing, &verified);
    uint64_t cost = middle(samples, operation, &verified);
    say(row, (double)(cost - empty) / batch, unit, verified);
}

uint64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set))
        refuse("sched_setaffinity");
}

int main(void)
{
    uint64_t first_ticks = ticks();
    mount("proc", "/proc", "proc", 0, 0);
    mount("sysfs", "/sys", "sysfs", 0, 0);
    printf("\n");
    if (sysconf(_SC_NPROCESSORS_ONLN) > 1) {
        parallel_rows();
    } else {
        machine_rows(first_ticks);
        ring_rows();
        pipe_rows();
        wake_rows();
        memory_rows();
        life_rows();
        busy_rows();
    }
    shut_down();
}
