/* A worker without Python for the stress test in bridge/stress_test.go.
 *
 *     worker_stress <worker> <loops> <seed> check|speed|probe
 *
 * Descriptors 3, 4 and 5 … are the channel, this worker's doorbell and those
 * of the loops. `check` verifies every byte of every request and answers with
 * bytes derived from the id; `speed` answers small ones at once. Both end when
 * the engine says STOPPED and nothing is left: 0 if all was right. `probe`
 * makes each call once and prints what it returned. */
#include "pattern.h"
#include "port.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64

typedef struct {
    covet_id id;
    plan plan;
    uint64_t got;  /* request body bytes */
    uint64_t sent; /* response body bytes */
    int body_over, head_told, end_told;
    int queued; /* in the list of those to be looked at again */
} job;

static covet_port port;
static uint64_t seed, chance;
static job *jobs; /* by slot */
static uint32_t *again, num_again;
static uint32_t live;
static int starved;

static void fail(covet_id id, const char *what, int64_t at) {
    fprintf(stderr, "worker %u: exchange %016" PRIx64 ": %s (%" PRId64 ")\n", port.worker, id, what, at);
    exit(1);
}

static uint32_t roll(uint32_t n) {
    chance = chance * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(chance >> 33) % n;
}

static void look_again(job *j) {
    if (!j->queued) {
        j->queued = 1;
        again[num_again++] = (uint32_t)j->id;
    }
}

static void expect(covet_id id, uint64_t stream, uint64_t at, const uint8_t *bytes, uint32_t len, const char *what) {
    int64_t wrong = pattern_check(stream, at, bytes, len);
    if (wrong >= 0) {
        fail(id, what, wrong);
    }
}

static void check_request(const job *j, const covet_slot *s) {
    const plan *p = &j->plan;
    const uint8_t *data = covet_port_request(&port, s);
    uint32_t inline_body = p->body_kind == INLINE_BODY ? p->body : 0;
    if (data == NULL) {
        fail(j->id, "no request data", s->request_block);
    }
    if (s->head_len != p->head || s->num_fields != p->headers || s->num_params != p->params ||
        s->body_len != inline_body || s->route != (uint32_t)p->route || s->content_length != (int64_t)p->body) {
        fail(j->id, "request part", s->head_len);
    }
    expect(j->id, draw(seed, j->id, REQUEST_HEAD), 0, data, p->head, "request head");
    expect(j->id, draw(seed, j->id, REQUEST_INDEX), 0, data + s->fields_off, p->headers * 8, "request fields");
    expect(j->id, draw(seed, j->id, REQUEST_INDEX), 128, data + s->params_off, p->params * 4, "path parameters");
    expect(j->id, draw(seed, j->id, REQUEST_BODY), 0, data + s->body_off, inline_body, "inline body");
}

static void end(job *j, covet_slot *s, uint32_t flags) {
    covet_id id = j->id;
    if (roll(4) == 0) {
        check_request(j, s); /* still what it was */
    }
    j->id = 0;
    live--;
    covet_port_tell(&port, s, id, flags | COVET_W_DONE);
}

static void read_body(job *j, covet_slot *s, uint32_t flags) {
    const covet_piece *piece;
    while ((piece = covet_port_peek_body(&port, s)) != NULL) {
        if (roll(16) == 0) {
            look_again(j);
            return;
        }
        expect(j->id, draw(seed, j->id, REQUEST_BODY), j->got, covet_port_bytes(&port, piece->block), piece->len,
               "streamed body");
        j->got += piece->len;
        covet_port_drop_body(&port, s, j->id);
    }
    if (flags & COVET_E_BODY_END) {
        j->body_over = 1;
        if (j->got != j->plan.body) {
            fail(j->id, "length of the streamed body", (int64_t)j->got);
        }
    }
}

/* Writes the packed fields and the first `with` body bytes; 0 if there is no block. */
static int write_head(job *j, covet_slot *s, uint32_t with) {
    const plan *p = &j->plan;
    uint8_t *room = covet_port_response(&port, s, j->id, p->fields + with);
    if (room == NULL) {
        starved = 1;
        look_again(j);
        return 0;
    }
    pattern_fill(draw(seed, j->id, RESPONSE_FIELDS), 0, room, p->fields);
    pattern_fill(draw(seed, j->id, RESPONSE_BODY), 0, room + p->fields, with);
    s->status = (uint16_t)(200 + p->route % 300);
    s->length = p->response_kind == STREAMED_RESPONSE ? -1 : (int64_t)p->answer;
    s->response_fields = p->fields;
    s->response_body = with;
    j->sent = with;
    j->head_told = 1;
    return 1;
}

static void write_pieces(job *j, covet_slot *s) {
    while (j->sent < j->plan.answer) {
        uint32_t left = j->plan.answer - (uint32_t)j->sent;
        uint32_t len = 1 + roll(roll(8) == 0 ? 200000 : 3000);
        len = len < left ? len : left;
        covet_block block = covet_port_alloc(&port, len, j->id);
        if (block == 0) {
            starved = 1;
            look_again(j);
            return;
        }
        pattern_fill(draw(seed, j->id, RESPONSE_BODY), j->sent, covet_port_bytes(&port, block), len);
        if (!covet_port_push_body(&port, s, j->id, block, len)) {
            if (covet_port_free(&port, block, j->id) != 0) {
                fail(j->id, "freeing a block", block);
            }
            return; /* a notice comes when there is room */
        }
        j->sent += len;
        if (roll(64) == 0) {
            look_again(j);
            return;
        }
    }
    covet_port_tell(&port, s, j->id, COVET_W_END);
    j->end_told = 1;
}

static void respond(job *j, covet_slot *s) {
    int streamed = j->plan.response_kind == STREAMED_RESPONSE;
    if (!j->head_told) {
        if (!write_head(j, s, streamed ? 0 : j->plan.answer)) {
            return;
        }
        if (!streamed && j->plan.response_kind == WHOLE_RESPONSE && j->body_over) {
            end(j, s, COVET_W_HEAD | COVET_W_END);
            return;
        }
        covet_port_tell(&port, s, j->id, COVET_W_HEAD | (streamed ? 0 : COVET_W_END));
        j->end_told = !streamed;
    }
    if (!j->end_told) {
        write_pieces(j, s);
    }
    if (j->end_told && j->body_over) {
        end(j, s, 0);
    }
}

static void step(job *j) {
    covet_slot *s = covet_port_slot(&port, j->id);
    if (s == NULL) {
        fail(j->id, "a begun exchange is stale", 0);
    }
    uint32_t flags = __atomic_load_n(&s->engine_flags, __ATOMIC_SEQ_CST);
    if (flags & COVET_E_CANCELLED) {
        end(j, s, COVET_W_ABORT);
        return;
    }
    if (j->plan.delay > 0) {
        j->plan.delay--;
        look_again(j);
        return;
    }
    if (roll(16) == 0) {
        covet_port_tell(&port, s, j->id, 0); /* news of nothing */
    }
    if (!j->body_over) {
        read_body(j, s, flags);
    }
    if (j->body_over || j->plan.overlapping) {
        respond(j, s);
    }
}

static void begin(covet_id id) {
    covet_slot *s = covet_port_slot(&port, id);
    if (s == NULL) {
        fail(id, "a taken exchange is stale", 0);
    }
    job *j = &jobs[(uint32_t)id];
    if (j->id != 0) {
        fail(id, "the slot is in use", (int64_t)j->id);
    }
    int queued = j->queued; /* by the exchange before */
    *j = (job){.id = id, .plan = plan_of(seed, id), .queued = queued};
    j->body_over = j->plan.body_kind != STREAMED_BODY;
    live++;
    check_request(j, s);
    step(j);
}

static uint64_t stolen;

static int round_of_checks(void) {
    covet_id ids[BATCH];
    uint32_t notices = covet_port_notices(&port, ids, 1 + roll(BATCH));
    for (uint32_t i = 0; i < notices; i++) {
        job *j = &jobs[(uint32_t)ids[i]];
        if (j->id == ids[i]) {
            step(j);
        }
    }
    uint32_t taken = covet_port_take(&port, ids, 1 + roll(BATCH));
    if (taken == 0) {
        taken = covet_port_steal(&port, ids);
        stolen += taken;
    }
    for (uint32_t i = 0; i < taken; i++) {
        begin(ids[i]);
    }
    uint32_t n = num_again;
    static uint32_t now[1 << 20];
    memcpy(now, again, n * sizeof *again);
    num_again = 0;
    for (uint32_t i = 0; i < n; i++) {
        jobs[now[i]].queued = 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (jobs[now[i]].id != 0) {
            step(&jobs[now[i]]);
        }
    }
    return notices + taken > 0;
}

static uint64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static uint64_t batches, messages, take_ns, tell_ns, publish_ns;

static int round_of_speed(void) {
    covet_id ids[BATCH];
    uint64_t start = clock_ns();
    uint32_t n = covet_port_take(&port, ids, BATCH);
    uint64_t took = clock_ns();
    if (n == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        covet_slot *s = covet_port_slot(&port, ids[i]);
        s->status = 200;
        s->length = 64;
        s->response_fields = 0;
        s->response_body = 64;
        memcpy(s->response_room, s->request_room, 64);
    }
    uint64_t filled = clock_ns();
    for (uint32_t i = 0; i < n; i++) {
        covet_port_tell(&port, covet_port_slot(&port, ids[i]), ids[i], COVET_W_HEAD | COVET_W_END | COVET_W_DONE);
    }
    uint64_t told = clock_ns();
    covet_port_publish(&port);
    publish_ns += clock_ns() - told;
    take_ns += took - start;
    tell_ns += told - filled;
    messages += n;
    batches++;
    return 1;
}

static void wait_for_doorbell(int timeout) {
    struct pollfd bell = {.fd = port.doorbell, .events = POLLIN};
    int status = poll(&bell, 1, timeout);
    if (status == 0 && timeout > 1) {
        fprintf(stderr, "worker %u: no doorbell for %d ms, %u exchanges live\n", port.worker, timeout, live);
        exit(1);
    }
    covet_port_wake(&port);
}

static void serve(int (*work)(void)) {
    for (;;) {
        starved = 0;
        int busy = work();
        covet_port_publish(&port);
        if (busy) {
            continue;
        }
        if (num_again > 0) {
            if (starved) {
                wait_for_doorbell(1);
            }
            continue;
        }
        if (covet_port_sleep(&port)) {
            if (live == 0 && __atomic_load_n(&port.header->engine_state, __ATOMIC_SEQ_CST) == COVET_ENGINE_STOPPED) {
                return;
            }
            wait_for_doorbell(60000);
        }
    }
}

/* Whether the head of the free list ever comes back to a value that it had. */
static int heads_repeat(void) {
    uint64_t heads[32];
    for (int i = 0; i < 32; i++) {
        covet_block block = covet_port_alloc(&port, 1, 1);
        heads[i] = port.header->classes[0].free_head;
        covet_port_free(&port, block, 1);
        for (int j = 0; j < i; j++) {
            if (heads[i] == heads[j]) {
                return 1;
            }
        }
    }
    return 0;
}

static void probe(void) {
    covet_id ids[BATCH];
    int sleeps = covet_port_sleep(&port);
    uint32_t took = covet_port_take(&port, ids, BATCH), noticed = 0, n;
    do {
        n = covet_port_notices(&port, ids, BATCH);
        noticed += n;
    } while (n > 0);
    uint32_t late = covet_port_take(&port, ids, BATCH);
    printf("sleep %d, take %u, notices %u, take %u, sleep %d, repeat %d", sleeps, took, noticed, late,
           covet_port_sleep(&port), heads_repeat());
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fprintf(stderr, "usage: worker_stress <worker> <loops> <seed> check|speed|probe\n");
        return 2;
    }
    int loop_doorbells[COVET_MAX_LOOPS];
    uint32_t worker = (uint32_t)strtoul(argv[1], NULL, 10), loops = (uint32_t)strtoul(argv[2], NULL, 10);
    seed = strtoull(argv[3], NULL, 10);
    chance = seed + worker;
    for (uint32_t i = 0; i < loops && i < COVET_MAX_LOOPS; i++) {
        loop_doorbells[i] = 5 + (int)i;
    }
    int status = covet_port_attach(&port, 3, worker, 4, loop_doorbells, loops);
    if (status != 0) {
        fprintf(stderr, "attach: %s\n", strerror(-status));
        return 1;
    }
    for (int fd = 3; fd < 5 + (int)loops; fd++) {
        close(fd); /* as when the engine ends first: the port has its own */
    }
    jobs = calloc(port.slots, sizeof *jobs);
    again = calloc(port.slots, sizeof *again);
    if (jobs == NULL || again == NULL) {
        return 1;
    }
    int speed = strcmp(argv[4], "speed") == 0;
    if (strcmp(argv[4], "probe") == 0) {
        probe();
    } else {
        serve(speed ? round_of_speed : round_of_checks);
    }
    if (speed && messages > 0) {
        printf("take %.1f ns, tell %.1f ns, publish %.1f ns per message; %.1f messages per batch\n",
               (double)take_ns / (double)messages, (double)tell_ns / (double)messages,
               (double)publish_ns / (double)messages, (double)messages / (double)batches);
    }
    if (strcmp(argv[4], "check") == 0) {
        printf("stole %" PRIu64 "\n", stolen);
    }
    covet_port_detach(&port);
    free(jobs);
    free(again);
    return 0;
}
