/* Anonymous memory: mapped, touched, given back; and the first touch alone. */
#include "bench.h"

#define FAULTS 1000
#define PAGES 256

/* Writes to a page; whether it was zeroed. Reading first would cost a second fault. */
static bool touch(volatile char *page)
{
    page[0] = 1;
    bool zero = page[PAGE_BYTES - 1] == 0;
    page[PAGE_BYTES - 1] = 1;
    return zero;
}

static bool use(size_t pages)
{
    char *memory = mmap(0, pages * PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bool zero = true;
    if (memory == MAP_FAILED)
        return false;
    for (size_t page = 0; page < pages; page++)
        zero = touch(memory + page * PAGE_BYTES) && zero;
    return munmap(memory, pages * PAGE_BYTES) == 0 && zero;
}

static bool one(void) { return use(1); }
static bool many(void) { return use(PAGES); }

static char *fresh;

static bool first_touch(void)
{
    fresh += PAGE_BYTES;
    return touch(fresh - PAGE_BYTES);
}

void memory_rows(void)
{
    size_t bytes = (FAULTS + WARM_UP) * PAGE_BYTES;
    measure("vm.page1", 1000, 1, one);
    measure("vm.page256", 200, 1, many);
    char *memory = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || madvise(memory, bytes, MADV_NOHUGEPAGE))
        refuse("memory to touch");
    fresh = memory;
    measure("fault.roundtrip", FAULTS, 1, first_touch);
    munmap(memory, bytes);
}
