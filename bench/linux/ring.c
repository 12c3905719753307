/* Entries of io_uring that do nothing, alone and in a batch. */
#include "bench.h"
#include <linux/io_uring.h>

#define BATCH 64
#define SAMPLES 400

static struct {
    int file;
    struct io_uring_sqe *entries;
    uint32_t *submission_tail, submission_mask;
    uint32_t *completion_head, *completion_tail, completion_mask;
    struct io_uring_cqe *completions;
} ring;

static void *map(size_t bytes, off_t offset)
{
    void *memory = mmap(0, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.file, offset);
    if (memory == MAP_FAILED)
        refuse("mapping io_uring");
    return memory;
}

static void set_up(void)
{
    struct io_uring_params p = {0};
    ring.file = (int)syscall(SYS_io_uring_setup, BATCH, &p);
    if (ring.file < 0)
        refuse("io_uring_setup");
    size_t submission = p.sq_off.array + p.sq_entries * sizeof(uint32_t);
    size_t completion = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
    char *area = map(submission > completion ? submission : completion, IORING_OFF_SQ_RING);
    ring.entries = map(p.sq_entries * sizeof *ring.entries, IORING_OFF_SQES);
    ring.submission_tail = (uint32_t *)(area + p.sq_off.tail);
    ring.submission_mask = *(uint32_t *)(area + p.sq_off.ring_mask);
    ring.completion_head = (uint32_t *)(area + p.cq_off.head);
    ring.completion_tail = (uint32_t *)(area + p.cq_off.tail);
    ring.completion_mask = *(uint32_t *)(area + p.cq_off.ring_mask);
    ring.completions = (struct io_uring_cqe *)(area + p.cq_off.cqes);
    uint32_t *order = (uint32_t *)(area + p.sq_off.array);
    for (uint32_t i = 0; i <= ring.submission_mask; i++)
        order[i] = i;
}

/* Runs `count` entries; whether all of them completed, each once. */
static bool run(uint32_t count)
{
    uint32_t tail = *ring.submission_tail;
    for (uint32_t i = 0; i < count; i++) {
        struct io_uring_sqe *entry = &ring.entries[(tail + i) & ring.submission_mask];
        memset(entry, 0, sizeof *entry);
        entry->opcode = IORING_OP_NOP;
        entry->user_data = i + 1;
    }
    __atomic_store_n(ring.submission_tail, tail + count, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring.file, count, count, IORING_ENTER_GETEVENTS, 0, 0) != count)
        return false;
    uint32_t head = *ring.completion_head;
    uint64_t sum = 0;
    while (head != __atomic_load_n(ring.completion_tail, __ATOMIC_ACQUIRE))
        sum += ring.completions[head++ & ring.completion_mask].user_data;
    __atomic_store_n(ring.completion_head, head, __ATOMIC_RELEASE);
    return sum == (uint64_t)count * (count + 1) / 2;
}

static bool batch(void) { return run(BATCH); }
static bool single(void) { return run(1); }

void ring_rows(void)
{
    set_up();
    measure("ring.nop.batch64", SAMPLES, BATCH, batch);
    measure("call.null.single", SAMPLES, 1, single);
    close(ring.file);
}
