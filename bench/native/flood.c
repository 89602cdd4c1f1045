/*
 * Load generator of the benchmarks: CoAP POST /i with a SenML-CBOR frame of exactly 100 bytes over UDP/IPv6 to ::1.
 *
 *   flood non PORT --rate R --seconds S [--first SEQ] [--flows N] [--burst B]
 *       NON with No-Response 26, open loop, paced in ticks of 200 us.
 *   flood con PORT --outstanding W --seconds S [--first SEQ] [--flows N]
 *       CON, closed loop: an answer is followed by the next message.
 *   flood con PORT --rate R --seconds S [...]
 *       CON, open loop; the time from each message to its answer is measured.
 *
 * Every frame has its sequence number and the Unix time in us at fixed places, so no two are equal. Messages of one
 * flow that are due together leave in one call as UDP_SEGMENT; they still arrive as datagrams of their own.
 * Prints one JSON line at the end; SIGTERM brings the end forward.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

enum { FLOWS_MAX = 256, BURST_MAX = 60, FRAME = 100, MESSAGE_MAX = 128, WINDOW = 8192, RECEIVE = 64 };
static const int64_t TICK_NS = 200000;
static const int64_t LOST_NS = 500000000;

static struct { int fd; uint16_t message_id; int64_t sent_ns[WINDOW]; } flows[FLOWS_MAX];
static int flow_count = 16, burst = 40, confirmable, message_length, sequence_at, time_at, value_at;
static uint8_t message[MESSAGE_MAX];
static uint32_t sequence;
static uint64_t sent, answered, refused, lost;
static uint32_t *samples;
static volatile sig_atomic_t stopped;
static size_t sample_count, samples_max = 20000000;

static int64_t now_ns(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void die(const char *what) {
  perror(what);
  exit(1);
}

static uint8_t *put(uint8_t *at, const void *bytes, size_t length) {
  memcpy(at, bytes, length);
  return at + length;
}
#define PUT(at, literal) put(at, literal, sizeof(literal) - 1)

static void build_message(void) {
  uint8_t *at = message;
  *at++ = confirmable ? 0x42 : 0x52; /* version 1, CON or NON, token of two bytes */
  at = PUT(at, "\x02\0\0\0\0");      /* POST, Message-ID, token */
  at = PUT(at, "\xb1i\x11\x70");     /* Uri-Path i, Content-Format 112 */
  if (!confirmable) at = PUT(at, "\xd1\xe9\x1a"); /* No-Response 26: no answer at all */
  *at++ = 0xff;
  uint8_t *frame = at;
  at = PUT(at, "\x85\xa3\x21\x76urn:dev:ow:10e2073a01:\x00\x63seq\x02\x1a");
  sequence_at = at - message;
  at = PUT(at + 4, "\xa2\x00\x62us\x02\x1b");
  time_at = at - message;
  at = PUT(at + 8, "\xa2\x00\x6btemperature\x02\xfa");
  value_at = at - message;
  at = PUT(at + 4, "\xa2\x00\x68humidity\x02\xfa\x42\x48\x00\x00");
  at = PUT(at, "\xa2\x00\x64" "batt\x02\xf9\x42\x00");
  if (at - frame != FRAME) {
    fprintf(stderr, "the frame has %ld bytes\n", (long)(at - frame));
    exit(1);
  }
  message_length = at - message;
}

static void fill(uint8_t *at, int flow) {
  uint16_t id = ++flows[flow].message_id;
  memcpy(at, message, message_length);
  at[2] = at[4] = id >> 8;
  at[3] = at[5] = id & 0xff;
  uint32_t number = htonl(sequence);
  memcpy(at + sequence_at, &number, 4);
  uint64_t us = __builtin_bswap64(now_ns(CLOCK_REALTIME) / 1000);
  memcpy(at + time_at, &us, 8);
  float celsius = 15 + (sequence * 2654435761u >> 16) / 8192.0f;
  uint32_t bits;
  memcpy(&bits, &celsius, 4);
  bits = htonl(bits);
  memcpy(at + value_at, &bits, 4);
  flows[flow].sent_ns[id % WINDOW] = now_ns(CLOCK_MONOTONIC);
  sequence++;
}

/* Sends `count` messages, at most BURST_MAX, of one flow in one call. */
static void send_messages(int flow, int count) {
  static uint8_t buffer[BURST_MAX * MESSAGE_MAX];
  for (int i = 0; i < count; i++) fill(buffer + i * message_length, flow);
  struct iovec iov = {buffer, (size_t)count * message_length};
  char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
  struct msghdr header = {.msg_iov = &iov, .msg_iovlen = 1};
  if (count > 1) {
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    struct cmsghdr *c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_UDP;
    c->cmsg_type = UDP_SEGMENT;
    c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    uint16_t segment = message_length;
    memcpy(CMSG_DATA(c), &segment, sizeof segment);
  }
  while (sendmsg(flows[flow].fd, &header, 0) < 0) {
    if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) continue;
    if (errno == ECONNREFUSED) continue; /* an earlier message found nobody; the counts tell */
    die("sendmsg");
  }
  sent += count;
}

/* Takes the answers of one flow; returns how many. */
static int receive(int flow) {
  static uint8_t buffers[RECEIVE][256];
  static struct iovec iov[RECEIVE];
  static struct mmsghdr headers[RECEIVE];
  int total = 0;
  for (;;) {
    for (int i = 0; i < RECEIVE; i++) {
      iov[i] = (struct iovec){buffers[i], sizeof buffers[i]};
      headers[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
    }
    int n = recvmmsg(flows[flow].fd, headers, RECEIVE, MSG_DONTWAIT, NULL);
    if (n <= 0) return total;
    int64_t now = now_ns(CLOCK_MONOTONIC);
    for (int i = 0; i < n; i++) {
      uint8_t *m = buffers[i];
      if (headers[i].msg_len < 4) continue;
      int64_t *slot = &flows[flow].sent_ns[((m[2] << 8) | m[3]) % WINDOW];
      if (*slot == 0) continue; /* given up already */
      /* 2.04 from a gateway; the message itself from an echo */
      if (m[1] == 0x44 || m[1] == 0x02) {
        answered++;
        if (sample_count < samples_max) samples[sample_count++] = (now - *slot) / 1000;
      } else refused++;
      *slot = 0;
      total++;
    }
  }
}

/* Counts messages without an answer for LOST_NS as lost; returns how many. */
static int give_up(int flow, int64_t now) {
  int count = 0;
  for (int i = 0; i < WINDOW; i++) {
    int64_t at = flows[flow].sent_ns[i];
    if (at != 0 && now - at > LOST_NS) {
      flows[flow].sent_ns[i] = 0;
      count++;
    }
  }
  lost += count;
  return count;
}

static void open_loop(double rate, double seconds) {
  int64_t start = now_ns(CLOCK_MONOTONIC), end = start + (int64_t)(seconds * 1e9), tick = start;
  int flow = 0;
  for (;;) {
    int64_t now = now_ns(CLOCK_MONOTONIC);
    int64_t due = (int64_t)(rate * (double)((now < end ? now : end) - start) / 1e9) - (int64_t)sent;
    while (due > 0) {
      int count = due < burst ? (int)due : burst;
      send_messages(flow, count);
      flow = (flow + 1) % flow_count;
      due -= count;
      if (now_ns(CLOCK_MONOTONIC) >= end) break;
    }
    if (confirmable) for (int i = 0; i < flow_count; i++) receive(i);
    if (now >= end || stopped) break;
    tick += TICK_NS;
    if (tick < now) tick = now;
    if (confirmable) { /* answers are taken as they come, or their times would be those of the ticks */
      struct pollfd polls[FLOWS_MAX];
      for (int i = 0; i < flow_count; i++) polls[i] = (struct pollfd){flows[i].fd, POLLIN, 0};
      int64_t left = tick - now_ns(CLOCK_MONOTONIC);
      struct timespec wait = {0, left > 0 ? left : 0};
      if (ppoll(polls, flow_count, &wait, NULL) > 0)
        for (int i = 0; i < flow_count; i++) if (polls[i].revents) receive(i);
    } else {
      struct timespec until = {tick / 1000000000, tick % 1000000000};
      clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
    }
  }
  if (!confirmable) return;
  int64_t limit = now_ns(CLOCK_MONOTONIC) + 2 * LOST_NS;
  while (answered + refused < sent && now_ns(CLOCK_MONOTONIC) < limit) {
    for (int i = 0; i < flow_count; i++) receive(i);
    usleep(1000);
  }
  lost = sent - answered - refused;
}

static void closed_loop(int outstanding, double seconds) {
  int64_t start = now_ns(CLOCK_MONOTONIC), end = start + (int64_t)(seconds * 1e9), checked = start;
  int each = outstanding / flow_count;
  if (each < 1) each = 1;
  struct pollfd polls[FLOWS_MAX];
  for (int i = 0; i < flow_count; i++) {
    polls[i] = (struct pollfd){flows[i].fd, POLLIN, 0};
    for (int left = each; left > 0; left -= burst) send_messages(i, left < burst ? left : burst);
  }
  for (;;) {
    poll(polls, flow_count, 100);
    int64_t now = now_ns(CLOCK_MONOTONIC);
    if (now >= end || stopped) break;
    int check = now - checked > LOST_NS;
    if (check) checked = now;
    for (int i = 0; i < flow_count; i++) {
      int count = polls[i].revents ? receive(i) : 0;
      if (check) count += give_up(i, now);
      for (; count > 0; count -= burst) send_messages(i, count < burst ? count : burst);
    }
  }
}

static void stop(int signal_number) {
  (void)signal_number;
  stopped = 1;
}

static int by_size(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return x < y ? -1 : x > y;
}

static uint32_t quantile(double q) {
  return sample_count == 0 ? 0 : samples[(size_t)(q * (double)(sample_count - 1))];
}

int main(int argc, char **argv) {
  double rate = 0, seconds = 1;
  int outstanding = 0;
  if (argc < 3) {
    fprintf(stderr, "usage: flood non|con PORT [--rate R] [--outstanding W] [--seconds S] [--first SEQ] [--flows N] [--burst B]\n");
    return 2;
  }
  confirmable = strcmp(argv[1], "con") == 0;
  int port = atoi(argv[2]);
  for (int i = 3; i + 1 < argc; i += 2) {
    if (!strcmp(argv[i], "--rate")) rate = atof(argv[i + 1]);
    else if (!strcmp(argv[i], "--outstanding")) outstanding = atoi(argv[i + 1]);
    else if (!strcmp(argv[i], "--seconds")) seconds = atof(argv[i + 1]);
    else if (!strcmp(argv[i], "--first")) sequence = strtoul(argv[i + 1], NULL, 10);
    else if (!strcmp(argv[i], "--flows")) flow_count = atoi(argv[i + 1]);
    else if (!strcmp(argv[i], "--burst")) burst = atoi(argv[i + 1]);
    else {
      fprintf(stderr, "unknown option %s\n", argv[i]);
      return 2;
    }
  }
  if (flow_count < 1 || flow_count > FLOWS_MAX || burst < 1 || burst > BURST_MAX) {
    fprintf(stderr, "at most %d flows and bursts of %d\n", FLOWS_MAX, BURST_MAX);
    return 2;
  }
  signal(SIGTERM, stop);
  build_message();
  samples = malloc(samples_max * sizeof *samples);
  struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  for (int i = 0; i < flow_count; i++) {
    flows[i].fd = socket(AF_INET6, SOCK_DGRAM, 0);
    int size = 4 << 20;
    setsockopt(flows[i].fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    setsockopt(flows[i].fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    if (flows[i].fd < 0 || connect(flows[i].fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
    flows[i].message_id = (uint16_t)(sequence + i * 977);
  }
  int64_t start = now_ns(CLOCK_MONOTONIC);
  if (outstanding > 0) closed_loop(outstanding, seconds);
  else open_loop(rate, seconds);
  double took = (now_ns(CLOCK_MONOTONIC) - start) / 1e9;
  qsort(samples, sample_count, sizeof *samples, by_size);
  printf("{\"sent\":%llu,\"answered\":%llu,\"refused\":%llu,\"lost\":%llu,\"seconds\":%.3f,\"messageBytes\":%d,"
         "\"p50Us\":%u,\"p99Us\":%u,\"maxUs\":%u}\n",
         (unsigned long long)sent, (unsigned long long)answered, (unsigned long long)refused, (unsigned long long)lost,
         took, message_length, quantile(0.5), quantile(0.99), quantile(1));
  return 0;
}
