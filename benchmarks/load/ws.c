// Loads a WebSocket server (RFC 6455) with messages of 64 bytes, checks every byte that comes back, and counts.
//
//     ws echo PORT TARGET CONNECTIONS SECONDS
//         each connection has one message under way, which must come back as it was sent
//     ws broadcast PORT TARGET PUBLISH_TARGET CONNECTIONS WINDOW SECONDS
//         what one publisher sends must reach all connections, in order; WINDOW messages are under way
//
// A server's broadcast handlers send the text "ready" when they may be counted on. The program prints "ready" when all
// connections are open, begins when it reads a line, prints its figures as JSON, and closes the connections when its
// input ends: so the caller can tell the cost of messages from that of opening and closing.
#define _GNU_SOURCE
#include "common.h"

#include <sys/epoll.h>
#include <unistd.h>

enum { PAYLOAD = 64, HEADER = 2, MASK = 4, LONGEST = 125, CHUNK = 65536, EVENTS = 256, MAX_CONNECTIONS = 65536 };
enum { FINAL_TEXT = 0x81, FINAL_CLOSE = 0x88, FINAL_PING = 0x89, FINAL_PONG = 0x8a, MASKED = 0x80 };
static const char READY[] = "\x81\x05ready";

struct connection {
    int fd;
    uint64_t sent, received; // messages
    size_t have;             // bytes of a frame that is not complete
    uint8_t partial[HEADER + LONGEST];
};

struct load {
    struct connection *connections; // the publisher is the last one
    uint64_t count, expected, received, window;
    uint64_t published, *arrivals; // broadcast: how many have received each message of the window
    int broadcast, over, epoll;
};

// The payload names its connection and its place there: nothing can be lost, doubled or mixed up without being seen.
static void write_payload(uint8_t *payload, uint64_t stream, uint64_t sequence) {
    static const char digits[] = "0123456789abcdef";
    memset(payload, '.', PAYLOAD);
    for (int i = 0; i < 8; i++) payload[i] = (uint8_t)digits[stream >> (28 - 4 * i) & 15];
    for (int i = 0; i < 16; i++) payload[9 + i] = (uint8_t)digits[sequence >> (60 - 4 * i) & 15];
}

static void send_frame(struct connection *c, uint8_t first, const uint8_t *payload, size_t length) {
    static uint32_t mask = 2463534242; // xorshift: a new mask for each frame, as clients must
    mask ^= mask << 13, mask ^= mask >> 17, mask ^= mask << 5;
    uint8_t frame[HEADER + MASK + LONGEST] = {first, (uint8_t)(MASKED | length)};
    memcpy(frame + HEADER, &mask, MASK);
    for (size_t i = 0; i < length; i++) frame[HEADER + MASK + i] = payload[i] ^ frame[HEADER + i % MASK];
    ssize_t size = (ssize_t)(HEADER + MASK + length);
    if (send(c->fd, frame, (size_t)size, MSG_DONTWAIT | MSG_NOSIGNAL) != size) fail_errno("a message could not be sent");
}

static void send_message(struct load *load, uint64_t stream) {
    struct connection *c = &load->connections[stream];
    uint8_t payload[PAYLOAD];
    write_payload(payload, stream, c->sent++);
    send_frame(c, FINAL_TEXT, payload, PAYLOAD);
    load->expected += load->broadcast ? load->count : 1;
}

static void publish(struct load *load) {
    while (!load->over && load->published < load->window) {
        load->published++;
        send_message(load, load->count);
    }
}

static void take_message(struct load *load, struct connection *c, const uint8_t *frame, size_t length) {
    uint64_t stream = load->broadcast ? load->count : (uint64_t)(c - load->connections);
    uint8_t wanted[HEADER + PAYLOAD] = {FINAL_TEXT, PAYLOAD};
    write_payload(wanted + HEADER, stream, c->received);
    if (length != sizeof wanted || memcmp(frame, wanted, sizeof wanted) != 0) fail("a message is not what was sent");
    if (c->received == load->connections[stream].sent) fail("a message came that nobody has sent");
    load->received++;
    uint64_t place = c->received++ % load->window;
    if (!load->broadcast) {
        if (!load->over) send_message(load, stream);
    } else if (++load->arrivals[place] == load->count) {
        load->arrivals[place] = 0;
        load->published--;
        publish(load);
    }
}

// The length of the whole frame at the front, or 0 while it is not complete.
static size_t frame_length(const uint8_t *bytes, size_t have) {
    if (have < HEADER) return 0;
    if (bytes[1] > LONGEST) fail("a frame is masked or too long");
    return have < (size_t)HEADER + bytes[1] ? 0 : (size_t)HEADER + bytes[1];
}

static void receive(struct load *load, struct connection *c) {
    static uint8_t buffer[HEADER + LONGEST + CHUNK];
    memcpy(buffer, c->partial, c->have);
    ssize_t got = recv(c->fd, buffer + c->have, CHUNK, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (got <= 0) fail("a connection was closed");
    size_t at = 0, end = c->have + (size_t)got, length;
    for (; (length = frame_length(buffer + at, end - at)); at += length) {
        if (buffer[at] == FINAL_PING)
            send_frame(c, FINAL_PONG, buffer + at + HEADER, length - HEADER);
        else
            take_message(load, c, buffer + at, length);
    }
    c->have = end - at;
    memcpy(c->partial, buffer + at, c->have);
}

// Opens a WebSocket, and reads what the handler sends at first.
static void open_socket(struct connection *c, uint16_t port, const char *target, const char *first) {
    // The key of RFC 6455, section 1.3, and the answer that it has there.
    static const char accept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    char head[4096 + 1];
    struct timeval patience = {.tv_sec = 10};
    c->fd = dial(port);
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int length = snprintf(head, sizeof head,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                          target, port);
    if (length >= (int)sizeof head) fail("the target is too long");
    if (send(c->fd, head, (size_t)length, MSG_NOSIGNAL) != length) fail_errno("a handshake could not be sent");
    size_t have = 0, wanted = strlen(first);
    for (char *end = NULL; !end || have < (size_t)(end - head) + 4 + wanted;) {
        ssize_t got = recv(c->fd, head + have, sizeof head - 1 - have, 0);
        if (got <= 0) fail("a handshake was not answered whole");
        head[have += (size_t)got] = 0;
        end = strstr(head, "\r\n\r\n");
    }
    char *rest = strstr(head, "\r\n\r\n") + 4;
    if (strncmp(head, "HTTP/1.1 101 ", 13) != 0 || !strstr(head, accept)) fail("a handshake was refused");
    if ((size_t)(head + have - rest) != wanted || memcmp(rest, first, wanted) != 0)
        fail("a handler did not begin with what it should send");
}

static void watch(struct load *load, struct connection *c) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, c->fd, &event) < 0) fail_errno("epoll_ctl");
}

// Sends and receives for some time, then until nothing is under way. Prints the figures.
static void run(struct load *load, double seconds) {
    struct epoll_event events[EVENTS];
    int64_t busy = clock_of(CLOCK_PROCESS_CPUTIME_ID), elapsed = 0;
    int64_t begun = now(), end = begun + (int64_t)(seconds * (double)SECOND);
    uint64_t counted = 0;
    if (load->broadcast) publish(load);
    for (uint64_t i = 0; !load->broadcast && i < load->count; i++) send_message(load, i);
    while (!load->over || load->received < load->expected) {
        int64_t time = now();
        if (!load->over && time >= end) {
            load->over = 1, counted = load->received, elapsed = time - begun;
            busy = clock_of(CLOCK_PROCESS_CPUTIME_ID) - busy;
            continue;
        }
        if (time > end + DRAIN) fail("messages are missing 5 s after the last one was sent");
        int64_t wait = (load->over ? end + DRAIN : end) - time;
        int ready = epoll_wait(load->epoll, events, EVENTS, (int)(wait / 1000000) + 1);
        if (ready < 0 && errno != EINTR) fail_errno("epoll_wait");
        for (int i = 0; i < ready; i++) receive(load, events[i].data.ptr);
    }
    printf("{\"messages\": %llu, \"rate\": %.1f, \"busy\": %.3f}\n", (unsigned long long)load->received,
           (double)counted * (double)SECOND / (double)elapsed, (double)busy / (double)elapsed);
    fflush(stdout);
}

// Says goodbye on every connection at first, and then waits until the server has closed them.
static void close_all(struct load *load) {
    static const uint8_t normal[] = {1000 >> 8, 1000 & 255};
    char ignored[4096];
    uint64_t all = load->count + (uint64_t)load->broadcast;
    for (uint64_t i = 0; i < all; i++) send_frame(&load->connections[i], FINAL_CLOSE, normal, sizeof normal);
    for (uint64_t i = 0; i < all; i++) {
        while (recv(load->connections[i].fd, ignored, sizeof ignored, 0) > 0) continue;
        close(load->connections[i].fd);
    }
}

int main(int argc, char **argv) {
    struct load load = {.broadcast = argc == 8 && strcmp(argv[1], "broadcast") == 0};
    if (!load.broadcast && (argc != 6 || strcmp(argv[1], "echo") != 0)) {
        fprintf(stderr, "usage: ws echo PORT TARGET CONNECTIONS SECONDS\n"
                        "       ws broadcast PORT TARGET PUBLISH_TARGET CONNECTIONS WINDOW SECONDS\n");
        return 2;
    }
    uint16_t port = (uint16_t)atoi(argv[2]);
    double seconds = atof(argv[argc - 1]);
    load.count = strtoull(argv[load.broadcast ? 5 : 4], NULL, 10);
    load.window = load.broadcast ? strtoull(argv[6], NULL, 10) : 1;
    if (load.count < 1 || load.count > MAX_CONNECTIONS || load.window < 1 || seconds <= 0) fail("a bad argument");
    load.connections = calloc(load.count + 1, sizeof *load.connections);
    load.arrivals = calloc(load.window, sizeof *load.arrivals);
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!load.connections || !load.arrivals) fail("no memory");
    if (load.epoll < 0) fail_errno("epoll_create1");
    for (uint64_t i = 0; i < load.count; i++) open_socket(&load.connections[i], port, argv[3], load.broadcast ? READY : "");
    if (load.broadcast) open_socket(&load.connections[load.count], port, argv[4], READY);
    for (uint64_t i = 0; i < load.count + (uint64_t)load.broadcast; i++) watch(&load, &load.connections[i]);
    puts("ready");
    fflush(stdout);
    if (getchar() == EOF) fail("the input ended before the run began");
    run(&load, seconds);
    while (getchar() != EOF) continue;
    close_all(&load);
    free(load.connections);
    free(load.arrivals);
    close(load.epoll);
    return 0;
}
