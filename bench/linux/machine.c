/* What the start has cost: ticks since the reset, and memory. */
#include "bench.h"

/* Memory of the machine, as bench/src/machine.rs has it. */
#define MACHINE_BYTES (512ll << 20)

static long long available_bytes(void)
{
    char text[4096] = {0};
    int file = open("/proc/meminfo", O_RDONLY);
    if (file < 0 || read(file, text, sizeof text - 1) <= 0)
        refuse("/proc/meminfo");
    close(file);
    const char *line = strstr(text, "MemAvailable:");
    return line ? atoll(line + strlen("MemAvailable:")) << 10 : -1;
}

void machine_rows(uint64_t first_ticks)
{
    long long available = available_bytes();
    say("boot.kernel", (double)first_ticks, "instructions", true);
    say("boot.services", (double)first_ticks, "instructions", true);
    say("memory.idle", (double)(MACHINE_BYTES - available), "bytes", available > 0);
}
