#include "port.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOAD(p) __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define STORE(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define LOAD_ORDERED(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define STORE_ORDERED(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define SWAP(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)

static int is_power(uint32_t n) { return n != 0 && (n & (n - 1)) == 0; }

/* Whether `count` things of `size` bytes at `offset` lie inside the channel. */
static int fits(const covet_port *port, uint64_t offset, uint64_t count, uint64_t size) {
    uint64_t bytes;
    return offset % 8 == 0 && !__builtin_mul_overflow(count, size, &bytes) && offset <= port->total_bytes &&
           bytes <= port->total_bytes - offset;
}

static int check_classes(const covet_port *port) {
    for (int i = 0; i < COVET_CLASSES; i++) {
        const covet_class *class = &port->header->classes[i];
        if (!is_power(class->block_bytes) || class->count > COVET_BLOCK_INDEX_MASK ||
            !fits(port, class->blocks, class->count, class->block_bytes) ||
            !fits(port, class->links, class->count, sizeof(covet_link))) {
            return 0;
        }
    }
    return 1;
}

static int check_layout(const covet_port *port, uint32_t worker, uint32_t loops) {
    const covet_header *h = port->header;
    uint64_t pairs = (uint64_t)h->loops * h->workers;
    return h->magic == COVET_MAGIC && h->version == COVET_VERSION && h->header_bytes == sizeof(covet_header) &&
           h->total_bytes <= port->total_bytes && worker < h->workers && h->workers <= COVET_MAX_WORKERS &&
           loops == h->loops && loops <= COVET_MAX_LOOPS && is_power(h->inbox_cells) && is_power(h->notice_cells) &&
           is_power(h->outbox_cells) && (uint64_t)h->slots_per_loop * h->loops == h->slots &&
           fits(port, h->worker_records, h->workers, sizeof(covet_worker)) &&
           fits(port, h->loop_records, h->loops, sizeof(covet_loop)) &&
           fits(port, h->inboxes, (uint64_t)h->workers * h->inbox_cells, sizeof(covet_cell)) &&
           fits(port, h->notices, (uint64_t)h->workers * h->notice_cells, sizeof(covet_cell)) &&
           fits(port, h->outboxes, pairs * h->outbox_cells, sizeof(covet_id)) &&
           fits(port, h->outbox_marks, pairs, sizeof(covet_marks)) &&
           fits(port, h->slot_base, h->slots, sizeof(covet_slot)) && check_classes(port);
}

static covet_marks *marks_of(const covet_port *port, uint32_t loop) {
    covet_marks *all = (covet_marks *)(port->base + port->header->outbox_marks);
    return &all[loop * port->header->workers + port->worker];
}

static covet_id *outbox_of(const covet_port *port, uint32_t loop) {
    covet_id *all = (covet_id *)(port->base + port->header->outboxes);
    return &all[((uint64_t)loop * port->header->workers + port->worker) * port->header->outbox_cells];
}

int covet_port_attach(covet_port *port, int memfd, uint32_t worker, int doorbell, const int *loop_doorbells,
                      uint32_t loops) {
    struct stat info;
    memset(port, 0, sizeof *port);
    if (fstat(memfd, &info) < 0) {
        return -errno;
    }
    if (info.st_size < (off_t)sizeof(covet_header)) {
        return -EPROTO;
    }
    void *base = mmap(NULL, (size_t)info.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
    if (base == MAP_FAILED) {
        return -errno;
    }
    port->base = base;
    port->total_bytes = (uint64_t)info.st_size;
    port->header = base;
    if (!check_layout(port, worker, loops)) {
        covet_port_detach(port);
        return -EPROTO;
    }
    port->worker = worker;
    port->loops = loops;
    port->doorbell = doorbell;
    port->self = (covet_worker *)(port->base + port->header->worker_records) + worker;
    for (uint32_t i = 0; i < loops; i++) {
        port->loop_doorbells[i] = loop_doorbells[i];
        port->outbox_tail[i] = port->published[i] = LOAD(&marks_of(port, i)->tail);
    }
    port->self->pid = (uint32_t)getpid();
    STORE(&port->self->state, COVET_WORKER_READY);
    return 0;
}

void covet_port_detach(covet_port *port) {
    if (port->self != NULL) {
        STORE(&port->self->state, COVET_WORKER_ABSENT);
        STORE_ORDERED(&port->self->sleeping, 0);
    }
    if (port->base != NULL) {
        munmap(port->base, (size_t)port->total_bytes);
    }
    memset(port, 0, sizeof *port);
}

/* ---- queues --------------------------------------------------------------- */

static covet_cell *cells_of(const covet_port *port, uint64_t base, uint32_t count) {
    return (covet_cell *)(port->base + base) + (uint64_t)port->worker * count;
}

static int pop(covet_cell *cells, uint32_t count, uint64_t *head, covet_id *id) {
    uint64_t at = __atomic_load_n(head, __ATOMIC_RELAXED);
    for (;;) {
        covet_cell *cell = &cells[at & (count - 1)];
        int64_t lead = (int64_t)(LOAD(&cell->sequence) - (at + 1));
        if (lead < 0) {
            return 0;
        }
        if (lead > 0) {
            at = __atomic_load_n(head, __ATOMIC_RELAXED);
        } else if (__atomic_compare_exchange_n(head, &at, at + 1, 0, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
            *id = cell->id;
            STORE(&cell->sequence, at + count);
            return 1;
        }
    }
}

static int empty(covet_cell *cells, uint32_t count, const uint64_t *head) {
    uint64_t at = LOAD_ORDERED(head);
    return (int64_t)(LOAD_ORDERED(&cells[at & (count - 1)].sequence) - (at + 1)) < 0;
}

/* The slot of an id, whoever works on it; NULL if the id is stale. */
static covet_slot *slot_of(const covet_port *port, covet_id id) {
    uint32_t index = (uint32_t)id;
    if (index >= port->header->slots) {
        return NULL;
    }
    covet_slot *slot = (covet_slot *)(port->base + port->header->slot_base) + index;
    return LOAD(&slot->generation) == (uint32_t)(id >> 32) ? slot : NULL;
}

uint32_t covet_port_take(covet_port *port, covet_id *ids, uint32_t max) {
    const covet_header *h = port->header;
    covet_cell *cells = cells_of(port, h->inboxes, h->inbox_cells);
    uint32_t n = 0;
    while (n < max && pop(cells, h->inbox_cells, &port->self->inbox_head, &ids[n])) {
        covet_slot *slot = slot_of(port, ids[n]);
        if (slot != NULL) {
            /* Ordered before the first look at the flags and pieces: see Notify. */
            STORE_ORDERED(&slot->worker, port->worker);
            n++;
        }
    }
    STORE(&port->self->begun, port->self->begun + n);
    return n;
}

uint32_t covet_port_notices(covet_port *port, covet_id *ids, uint32_t max) {
    const covet_header *h = port->header;
    covet_cell *cells = cells_of(port, h->notices, h->notice_cells);
    uint32_t n = 0;
    while (n < max && pop(cells, h->notice_cells, &port->self->notice_head, &ids[n])) {
        covet_slot *slot = slot_of(port, ids[n]);
        if (slot != NULL) {
            STORE_ORDERED(&slot->worker_noticed, 0);
            n++;
        }
    }
    return n;
}

int covet_port_sleep(covet_port *port) {
    const covet_header *h = port->header;
    STORE_ORDERED(&port->self->sleeping, 1);
    if (empty(cells_of(port, h->inboxes, h->inbox_cells), h->inbox_cells, &port->self->inbox_head) &&
        empty(cells_of(port, h->notices, h->notice_cells), h->notice_cells, &port->self->notice_head)) {
        return 1;
    }
    STORE_ORDERED(&port->self->sleeping, 0);
    return 0;
}

static void ring(int doorbell) {
    uint64_t one = 1;
    /* A full counter means that the other side is being woken already. */
    ssize_t written = write(doorbell, &one, sizeof one);
    (void)written;
}

void covet_port_wake(covet_port *port) {
    uint64_t count;
    struct timespec now;
    STORE_ORDERED(&port->self->sleeping, 0);
    ssize_t got = read(port->doorbell, &count, sizeof count);
    (void)got; /* empty when another reader was quicker */
    clock_gettime(CLOCK_MONOTONIC, &now);
    STORE(&port->self->beat, (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}

void covet_port_again(covet_port *port) { ring(port->doorbell); }

covet_slot *covet_port_slot(const covet_port *port, covet_id id) {
    covet_slot *slot = slot_of(port, id);
    return slot != NULL && LOAD(&slot->worker) == port->worker ? slot : NULL;
}

/* ---- blocks --------------------------------------------------------------- */

static covet_class *class_of(const covet_port *port, covet_block block, uint32_t *index) {
    uint32_t class = block >> COVET_BLOCK_CLASS_SHIFT;
    *index = (block & COVET_BLOCK_INDEX_MASK) - 1;
    if (class >= COVET_CLASSES || *index >= port->header->classes[class].count) {
        return NULL;
    }
    return &port->header->classes[class];
}

static covet_link *link_of(const covet_port *port, const covet_class *class, uint32_t index) {
    return (covet_link *)(port->base + class->links) + index;
}

uint8_t *covet_port_bytes(const covet_port *port, covet_block block) {
    uint32_t index;
    covet_class *class = class_of(port, block, &index);
    return class == NULL ? NULL : port->base + class->blocks + (uint64_t)index * class->block_bytes;
}

uint32_t covet_port_block_size(const covet_port *port, covet_block block) {
    uint32_t index;
    covet_class *class = class_of(port, block, &index);
    return class == NULL ? 0 : class->block_bytes;
}

static int pop_free(const covet_port *port, covet_class *class, uint32_t *index) {
    uint64_t old = LOAD(&class->free_head);
    while ((uint32_t)old != 0) {
        *index = (uint32_t)old - 1;
        if (*index >= class->count) {
            return 0;
        }
        uint64_t next = LOAD(&link_of(port, class, *index)->next);
        uint64_t new = ((old >> 32) + 1) << 32 | next;
        if (__atomic_compare_exchange_n(&class->free_head, &old, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE)) {
            return 1;
        }
    }
    uint32_t fresh = LOAD(&class->fresh);
    while (fresh < class->count) {
        if (__atomic_compare_exchange_n(&class->fresh, &fresh, fresh + 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE)) {
            *index = fresh;
            return 1;
        }
    }
    return 0;
}

covet_block covet_port_alloc(covet_port *port, uint32_t need, covet_id owner) {
    for (uint32_t i = 0; i < COVET_CLASSES; i++) {
        covet_class *class = &port->header->classes[i];
        uint32_t index;
        if (need <= class->block_bytes && pop_free(port, class, &index)) {
            __atomic_add_fetch(&class->in_use, 1, __ATOMIC_RELAXED);
            STORE(&link_of(port, class, index)->owner, owner);
            return i << COVET_BLOCK_CLASS_SHIFT | (index + 1);
        }
    }
    return 0;
}

int covet_port_free(covet_port *port, covet_block block, covet_id owner) {
    uint32_t index;
    covet_class *class = class_of(port, block, &index);
    if (class == NULL) {
        return -1;
    }
    covet_link *link = link_of(port, class, index);
    if (!__atomic_compare_exchange_n(&link->owner, &owner, 0, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE)) {
        return -1;
    }
    __atomic_sub_fetch(&class->in_use, 1, __ATOMIC_RELAXED);
    uint64_t old = LOAD(&class->free_head), new;
    do {
        STORE(&link->next, (uint32_t)old);
        new = ((old >> 32) + 1) << 32 | (index + 1);
    } while (!__atomic_compare_exchange_n(&class->free_head, &old, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_ACQUIRE));
    return 0;
}

/* ---- exchanges ------------------------------------------------------------ */

const uint8_t *covet_port_request(const covet_port *port, const covet_slot *slot) {
    return slot->request_block == 0 ? slot->request_room : covet_port_bytes(port, slot->request_block);
}

uint8_t *covet_port_response(covet_port *port, covet_slot *slot, covet_id id, uint32_t need) {
    if (need <= COVET_RESPONSE_ROOM) {
        return slot->response_room;
    }
    covet_block block = covet_port_alloc(port, need, id);
    slot->response_block = block;
    return block == 0 ? NULL : covet_port_bytes(port, block);
}

const covet_piece *covet_port_peek_body(const covet_port *port, const covet_slot *slot) {
    (void)port;
    uint32_t head = slot->in.head;
    return head == LOAD_ORDERED(&slot->in.tail) ? NULL : &slot->in.piece[head % COVET_RING];
}

void covet_port_drop_body(covet_port *port, covet_slot *slot, covet_id id) {
    uint32_t head = slot->in.head;
    covet_block block = slot->in.piece[head % COVET_RING].block;
    STORE(&slot->in.head, head + 1);
    covet_port_free(port, block, id);
    covet_port_tell(port, slot, id, 0);
}

int covet_port_push_body(covet_port *port, covet_slot *slot, covet_id id, covet_block block, uint32_t len) {
    uint32_t tail = slot->out.tail;
    if (tail - LOAD(&slot->out.head) >= COVET_RING) {
        return 0;
    }
    slot->out.piece[tail % COVET_RING] = (covet_piece){.block = block, .len = len};
    STORE(&slot->out.tail, tail + 1);
    covet_port_tell(port, slot, id, 0);
    return 1;
}

void covet_port_tell(covet_port *port, covet_slot *slot, covet_id id, uint32_t flags) {
    uint32_t loop = slot->loop;
    if ((flags & COVET_W_DONE) != 0) {
        STORE(&port->self->finished, port->self->finished + 1);
    }
    /* With DONE in flags this is the last touch: the loop may reuse the slot at once. */
    uint32_t before = __atomic_fetch_or(&slot->worker_flags, flags | COVET_W_NOTICED, __ATOMIC_SEQ_CST);
    if (loop < port->loops && (before & COVET_W_NOTICED) == 0) {
        outbox_of(port, loop)[port->outbox_tail[loop]++ & (port->header->outbox_cells - 1)] = id;
    }
}

void covet_port_publish(covet_port *port) {
    for (uint32_t i = 0; i < port->loops; i++) {
        if (port->outbox_tail[i] == port->published[i]) {
            continue;
        }
        port->published[i] = port->outbox_tail[i];
        STORE_ORDERED(&marks_of(port, i)->tail, port->published[i]);
        covet_loop *loop = (covet_loop *)(port->base + port->header->loop_records) + i;
        if (LOAD_ORDERED(&loop->sleeping) != 0 && SWAP(&loop->sleeping, 0) != 0) {
            ring(port->loop_doorbells[i]);
        }
    }
}
