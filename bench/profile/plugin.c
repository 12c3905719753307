/*
 * A plugin of QEMU's code generator: counts how often each block of instructions runs between two marks that the guest executes.
 *
 * A mark is `nopl MARK + k(%rax)`, which does nothing: k = 1 begins a section, k = 2 ends it. At the end of a section the file
 * named by the argument `out` gets a line `section`, and a line for each block that has run: how often, its address, its
 * number of instructions, and its bytes. By the bytes a block is told from one that another program has at the same address.
 *
 * The prototypes stand here because the header comes with no package of QEMU.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))
#define MARK 0x63617000u
#define MARK_BYTES 7
#define BLOCK_BYTES 4096
#define BUCKETS 65536
/* Of enum qemu_plugin_op, and of enum qemu_plugin_cb_flags. */
#define ADD 0
#define NO_REGISTERS 0

typedef uint64_t plugin_id;
struct tb;
struct insn;
EXPORT int qemu_plugin_version = 1;
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, void (*)(plugin_id, struct tb *));
void qemu_plugin_register_vcpu_tb_exec_inline(struct tb *, int, void *, uint64_t);
void qemu_plugin_register_vcpu_insn_exec_cb(struct insn *, void (*)(unsigned, void *), int, void *);
size_t qemu_plugin_tb_n_insns(const struct tb *);
uint64_t qemu_plugin_tb_vaddr(const struct tb *);
struct insn *qemu_plugin_tb_get_insn(const struct tb *, size_t);
const void *qemu_plugin_insn_data(const struct insn *);
size_t qemu_plugin_insn_size(const struct insn *);

struct block {
    uint64_t runs, before, address;
    size_t instructions, size;
    struct block *next;
    unsigned char bytes[];
};

static struct block *buckets[BUCKETS];
static FILE *out;

static struct block *find(uint64_t address, size_t instructions, const unsigned char *bytes, size_t size)
{
    struct block **bucket = &buckets[(address ^ address >> 16) % BUCKETS];
    for (struct block *b = *bucket; b; b = b->next)
        if (b->address == address && b->size == size && !memcmp(b->bytes, bytes, size))
            return b;
    struct block *b = calloc(1, sizeof *b + size);
    if (!b)
        abort();
    *b = (struct block){.address = address, .instructions = instructions, .size = size, .next = *bucket};
    memcpy(b->bytes, bytes, size);
    return *bucket = b;
}

static void mark(unsigned cpu, void *kind)
{
    (void)cpu;
    int ends = (uintptr_t)kind == 2;
    if (ends)
        fprintf(out, "section\n");
    for (size_t i = 0; i < BUCKETS; i++)
        for (struct block *b = buckets[i]; b; b = b->next) {
            if (ends && b->runs > b->before) {
                fprintf(out, "%llu %llx %zu ", (unsigned long long)(b->runs - b->before), (unsigned long long)b->address,
                        b->instructions);
                for (size_t k = 0; k < b->size; k++)
                    fprintf(out, "%02x", b->bytes[k]);
                fprintf(out, "\n");
            }
            b->before = b->runs;
        }
    fflush(out);
}

static void translated(plugin_id id, struct tb *tb)
{
    (void)id;
    static unsigned char bytes[BLOCK_BYTES];
    size_t size = 0, count = qemu_plugin_tb_n_insns(tb);
    for (size_t i = 0; i < count; i++) {
        struct insn *insn = qemu_plugin_tb_get_insn(tb, i);
        size_t length = qemu_plugin_insn_size(insn);
        if (size + length > BLOCK_BYTES)
            break;
        memcpy(bytes + size, qemu_plugin_insn_data(insn), length);
        uint32_t value = 0;
        if (length == MARK_BYTES && !memcmp(bytes + size, "\x0f\x1f\x80", 3))
            memcpy(&value, bytes + size + 3, 4);
        if ((value & ~3u) == MARK)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, mark, NO_REGISTERS, (void *)(uintptr_t)(value & 3));
        size += length;
    }
    struct block *block = find(qemu_plugin_tb_vaddr(tb), count, bytes, size);
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD, &block->runs, 1);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info;
    if (argc != 1 || strncmp(argv[0], "out=", 4) || !(out = fopen(argv[0] + 4, "w")))
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    return 0;
}
