/* A worker's attachment to the channel. Plain C, no Python: the stress test
 * runs it by itself under AddressSanitizer and UndefinedBehaviorSanitizer.
 *
 * A port belongs to one thread. What it needs of the layout is checked and
 * copied at attach, so that a header overwritten later leads nowhere. */
#ifndef COVET_PORT_H
#define COVET_PORT_H

#include "channel.h"

/* A worker's end of a queue in which it is the consumer. */
typedef struct {
    covet_cell *cells;
    uint64_t mask;
    uint64_t *head;
    uint64_t *tail;
} covet_port_queue;

/* The way to one loop. */
typedef struct {
    covet_id *outbox;
    covet_marks *marks;
    covet_loop *record;
    uint64_t tail; /* pushed, maybe not yet published */
    uint64_t published;
    int doorbell;
} covet_port_loop;

typedef struct {
    covet_class *shared;
    covet_link *links;
    uint8_t *blocks;
    uint32_t block_bytes;
    uint32_t count;
} covet_port_class;

typedef struct {
    uint8_t *base; /* where this process mapped the channel */
    uint64_t total_bytes;
    covet_header *header;
    covet_worker *records; /* of all workers */
    covet_worker *self;
    covet_cell *inboxes; /* of all workers */
    covet_slot *all_slots;
    uint32_t slots;
    uint32_t worker;
    uint32_t workers;
    uint32_t inbox_cells;
    uint32_t loops;
    int doorbell; /* eventfd that wakes this worker: the port's own descriptor, to be watched */
    uint64_t outbox_mask;
    covet_port_queue inbox;
    covet_port_queue notices;
    covet_port_loop loop[COVET_MAX_LOOPS];
    covet_port_class classes[COVET_CLASSES];
} covet_port;

/* Maps the channel and takes the place of worker number `worker`. The port
 * keeps duplicates of the doorbells, so the engine may close its own at any
 * time. Returns 0, or -errno (EPROTO: another version or a layout that does
 * not fit). */
int covet_port_attach(covet_port *port, int memfd, uint32_t worker, int doorbell,
                      const int *loop_doorbells, uint32_t loops);
/* Gives the place, the mapping and the descriptors back. Harmless twice. */
void covet_port_detach(covet_port *port);

/* Pops up to `max` ids of requests not yet begun and begins them (claims the
 * slot). Returns how many: none while so many notices wait that the
 * next might find no place, so take those first. */
uint32_t covet_port_take(covet_port *port, covet_id *ids, uint32_t max);
/* The same for one request that waits in the inbox of another worker, which
 * has the same routes and is busy. Returns how many: 0 or 1, and 0 once this
 * worker is retired. */
uint32_t covet_port_steal(covet_port *port, covet_id *id);
/* Pops up to `max` ids of exchanges with news; clears worker_noticed first. */
uint32_t covet_port_notices(covet_port *port, covet_id *ids, uint32_t max);
/* Announces sleep and looks again: 1 = may sleep (the doorbell will ring),
 * 0 = there is something to take; the announcement is withdrawn. */
int covet_port_sleep(covet_port *port);
/* Withdraws the announcement and empties the doorbell. */
void covet_port_wake(covet_port *port);
/* Rings this worker's own doorbell: come back at the event loop's next turn. */
void covet_port_again(covet_port *port);

/* The slot of an id that this worker has begun, or NULL if it is stale. */
covet_slot *covet_port_slot(const covet_port *port, covet_id id);
/* Where the request data (head, fields, params, inline body) starts. */
const uint8_t *covet_port_request(const covet_port *port, const covet_slot *slot);
/* Room for `need` bytes of packed fields and body: inside the slot, or in a
 * new block (slot->response_block is set). NULL: no block is that large or free. */
uint8_t *covet_port_response(covet_port *port, covet_slot *slot, covet_id id, uint32_t need);

/* A free block of at least `need` bytes for exchange `owner`; 0 if none. */
covet_block covet_port_alloc(covet_port *port, uint32_t need, covet_id owner);
/* Gives a block back. 0, or -1 if `owner` does not hold it (nothing is done). */
int covet_port_free(covet_port *port, covet_block block, covet_id owner);
uint8_t *covet_port_bytes(const covet_port *port, covet_block block);
uint32_t covet_port_block_size(const covet_port *port, covet_block block);

/* Request body: the oldest piece in slot->in, or NULL; drop frees it and tells
 * the loop that there is room again. */
const covet_piece *covet_port_peek_body(const covet_port *port, const covet_slot *slot);
void covet_port_drop_body(covet_port *port, covet_slot *slot, covet_id id);
/* The same, but the loop is only told if it waits for room: 1 = it was. */
int covet_port_drop_message(covet_port *port, covet_slot *slot, covet_id id);
/* Response body: 1 = queued, 0 = the ring is full (wait for a notice). */
int covet_port_push_body(covet_port *port, covet_slot *slot, covet_id id, covet_block block, uint32_t len);

/* Sets worker_flags and queues the id for its loop unless it is there already.
 * After COVET_W_DONE the slot must not be touched. */
void covet_port_tell(covet_port *port, covet_slot *slot, covet_id id, uint32_t flags);
/* Publishes all that was queued since the last call with one store for each
 * loop, and rings the doorbells of the loops that sleep. */
void covet_port_publish(covet_port *port);

#endif
