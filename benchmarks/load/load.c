// Asks an HTTP/1.1 server at a fixed rate and prints the latencies as JSON.
//
// The load is open: request k is due at start + k / rate, on connection k mod connections, whether or not the
// answers before it have come. A latency counts from the due time, so that a server that stalls pays for every
// request that waited meanwhile (no coordinated omission). One thread, one ppoll a turn, no spinning.
//
//     load PORT TARGET RATE CONNECTIONS SECONDS
#define _GNU_SOURCE
#include "common.h"

#include <poll.h>
#include <strings.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { BUFFER = 16384, MAX_CONNECTIONS = 1024 };

struct connection {
    int64_t current;  // the request that is under way
    int64_t released; // requests that were due so far
    int64_t begun;    // requests that were sent
    size_t have;
    int busy;
    char buffer[BUFFER + 1];
};

struct load {
    struct connection *connections;
    struct pollfd *polls;
    int count;
    int64_t start, total, answered;
    double rate;
    int64_t *latencies, *lags; // nanoseconds, one for each request
    int64_t lag_count;
    char request[1024];
    size_t request_length;
};

static int64_t due(const struct load *load, int64_t request) {
    return load->start + (int64_t)((double)request / load->rate * (double)SECOND);
}

// Sends the next request of a connection that is idle and has one due. Returns whether it did.
static int ask(struct load *load, int i) {
    struct connection *c = &load->connections[i];
    if (c->busy || c->begun == c->released) return 0;
    c->current = i + c->begun * load->count;
    ssize_t sent = send(load->polls[i].fd, load->request, load->request_length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent != (ssize_t)load->request_length) fail("a request could not be sent");
    c->busy = 1;
    c->have = 0;
    c->begun++;
    return 1;
}

// The length of the whole answer in the buffer, or 0 while its head is not complete.
static size_t answer_length(const char *buffer) {
    const char *end = strstr(buffer, "\r\n\r\n");
    if (!end) return 0;
    if (strncmp(buffer, "HTTP/1.1 200 ", 13) != 0) fail("an answer is not 200");
    for (const char *line = strstr(buffer, "\r\n"); line && line < end; line = strstr(line + 2, "\r\n"))
        if (strncasecmp(line + 2, "content-length:", 15) == 0)
            return (size_t)(end + 4 - buffer) + strtoul(line + 17, NULL, 10);
    fail("an answer has no Content-Length");
}

static void receive(struct load *load, int i) {
    struct connection *c = &load->connections[i];
    ssize_t got = recv(load->polls[i].fd, c->buffer + c->have, BUFFER - c->have, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) fail("a connection was closed");
    if (!c->busy) fail("bytes came that nobody asked for");
    c->have += (size_t)got;
    c->buffer[c->have] = 0;
    size_t length = answer_length(c->buffer);
    if (length > BUFFER || (length == 0 && c->have == BUFFER)) fail("an answer is too long");
    if (length == 0 || c->have < length) return;
    if (c->have > length) fail("an answer is longer than its Content-Length");
    load->latencies[load->answered++] = now() - due(load, c->current);
    c->busy = 0;
    ask(load, i);
}

static void run(struct load *load) {
    int64_t released = 0, last = due(load, load->total - 1) + DRAIN;
    while (load->answered < load->total) {
        int64_t time = now();
        if (time > last) fail("answers are missing 5 s after the last request");
        for (; released < load->total && due(load, released) <= time; released++) {
            int i = (int)(released % load->count);
            load->connections[i].released++;
            // How late this program itself was; a wait for the answer before is the server's doing and not counted.
            if (ask(load, i)) load->lags[load->lag_count++] = now() - due(load, released);
        }
        int64_t until = released < load->total ? due(load, released) : last;
        int64_t wait = until - now();
        if (wait < 0) wait = 0;
        struct timespec timeout = {.tv_sec = wait / SECOND, .tv_nsec = wait % SECOND};
        int ready = ppoll(load->polls, (nfds_t)load->count, &timeout, NULL);
        if (ready < 0 && errno != EINTR) fail_errno("ppoll");
        for (int i = 0; i < load->count && ready > 0; i++) {
            if (!load->polls[i].revents) continue;
            ready--;
            receive(load, i);
        }
    }
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double quantile(const int64_t *sorted, int64_t count, double q) {
    if (count == 0) return 0;
    int64_t i = (int64_t)(q * (double)count);
    return (double)sorted[i < count ? i : count - 1] / 1000;
}

static void print(struct load *load) {
    qsort(load->latencies, (size_t)load->answered, sizeof(int64_t), compare);
    qsort(load->lags, (size_t)load->lag_count, sizeof(int64_t), compare);
    const int64_t *l = load->latencies, n = load->answered;
    printf("{\"requests\": %lld, \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, "
           "\"max_us\": %.1f, \"lag_p99_us\": %.1f}\n",
           (long long)n, quantile(l, n, 0.5), quantile(l, n, 0.9), quantile(l, n, 0.99), quantile(l, n, 0.999),
           quantile(l, n, 1), quantile(load->lags, load->lag_count, 0.99));
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: load PORT TARGET RATE CONNECTIONS SECONDS\n");
        return 2;
    }
    uint16_t port = (uint16_t)atoi(argv[1]);
    struct load load = {.rate = atof(argv[3]), .count = atoi(argv[4])};
    double seconds = atof(argv[5]);
    if (load.rate < 1 || load.count < 1 || load.count > MAX_CONNECTIONS || seconds <= 0) fail("a bad argument");
    load.total = (int64_t)(load.rate * seconds);
    if (load.total < 1) fail("no request is due in that time");
    int length = snprintf(load.request, sizeof load.request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n\r\n", argv[2], port);
    if (length >= (int)sizeof load.request) fail("the target is too long");
    load.request_length = (size_t)length;
    load.connections = calloc((size_t)load.count, sizeof *load.connections);
    load.polls = calloc((size_t)load.count, sizeof *load.polls);
    load.latencies = calloc((size_t)load.total, sizeof(int64_t));
    load.lags = calloc((size_t)load.total, sizeof(int64_t));
    if (!load.connections || !load.polls || !load.latencies || !load.lags) fail("no memory");
    prctl(PR_SET_TIMERSLACK, 1); // ppoll otherwise wakes up to 50 µs late
    for (int i = 0; i < load.count; i++) load.polls[i] = (struct pollfd){.fd = dial(port), .events = POLLIN};
    load.start = now() + SECOND / 20;
    run(&load);
    print(&load);
    for (int i = 0; i < load.count; i++) close(load.polls[i].fd);
    free(load.connections);
    free(load.polls);
    free(load.latencies);
    free(load.lags);
    return 0;
}
