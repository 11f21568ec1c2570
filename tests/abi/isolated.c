/*
 * SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Isolated memory as a C program sees it: a guest's requests on one side, and
 * on the other a back-end that has the area's file and nothing else.
 */

#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>

#include "isolated-backend.h"
#include "tap.h"

#define ROUNDS 20000

/* Virtio IDs: of a disk, and of devices that are streams of bytes */
#define BLOCK 2
#define RNG 4
#define VSOCK 19

/* A request of the guest's: a question, and room for an answer. */
typedef struct {
    char question[16], answer[16];
    struct iovec out[3], in[3];
} Request;

/* Fills in a request, with pieces that are empty on both sides. */
static Request *ask(Request *request, const char *question)
{
    size_t len = strlen(question);

    memset(request, 0, sizeof(*request));
    memcpy(request->question, question, len);
    memset(request->answer, '.', sizeof(request->answer));
    request->out[0] = (struct iovec) { request->question, 1 };
    request->out[2] = (struct iovec) { request->question + 1, len - 1 };
    request->in[0] = (struct iovec) { request->answer, 2 };
    request->in[2] = (struct iovec) { request->answer + 2, 8 };
    return request;
}

static AnnexIsolatedLend lend(AnnexIsolatedQueue *queue, Request *request,
                              AnnexError **err)
{
    return annex_isolated_queue_lend(queue, request, request->out, 3,
                                     request->in, 3, err);
}

/* A request that takes one descriptor. */
static AnnexIsolatedLend tell(AnnexIsolatedQueue *queue, Request *request,
                              AnnexError **err)
{
    return annex_isolated_queue_lend(queue, request, request->out, 1,
                                     NULL, 0, err);
}

/*
 * The request that came back, and how much the guest is to be told of; NULL for
 * none or an error.
 */
static Request *reap(AnnexIsolatedQueue *queue, uint32_t *len)
{
    AnnexIsolatedDone done;

    annex_isolated_queue_reap(queue, &done, NULL);
    *len = done.len;
    return done.request;
}

/* Whether there is an error that says so; it's gone afterwards. */
static bool says(AnnexError **err, const char *words)
{
    bool found = *err && strstr(annex_error_message(*err), words);

    annex_error_free(*err);
    *err = NULL;
    return found;
}

/* Has an area for two queues with rings of the usual length. */
static bool prepare(AnnexIsolatedDevice *device, uint32_t life)
{
    const uint16_t rings[] = { ENTRIES, ENTRIES };
    const uint32_t lives[] = { life, life };

    return annex_isolated_device_prepare(device, rings, lives, 2, NULL);
}

/* Starts queue 0, whose back-end begins anew at 0, or resumes it. */
static AnnexIsolatedQueue *start(AnnexIsolatedDevice *device, uint64_t features,
                                 bool expected)
{
    AnnexIsolatedQueue *queue;
    bool resumed = !expected;

    queue = annex_isolated_device_start(device, 0, 1, ENTRIES, features,
                                        &resumed, NULL);
    return resumed == expected ? queue : NULL;
}

static void test_area(void)
{
    static const uint16_t rings[] = { ENTRIES, 256 }, odd = 100;
    static const uint16_t longest[] = { 32768, 32768, 32768 };
    static const uint32_t lives[3];
    AnnexIsolatedDevice *device =
        annex_isolated_device_new(RNG, 0, ANNEX_ISOLATED_SCRUB_ALWAYS);
    AnnexIsolatedVring vring, other;
    AnnexIsolatedStats stats;
    AnnexError *err = NULL;
    struct stat file;
    uint64_t len;
    bool resumed;

    annex_isolated_device_free(NULL);
    tap_ok(!annex_isolated_device_check(device, &odd, 1, &err)
           && says(&err, "not 100")
           && !annex_isolated_device_prepare(device, &odd, lives, 1, &err)
           && says(&err, "not 100"), "a ring of 100 entries is refused");
    tap_ok(!annex_isolated_device_check(device, NULL, 0, NULL),
           "and a device without queues");
    tap_ok(annex_isolated_device_fd(device) == -1
           && !annex_isolated_device_len(device)
           && !annex_isolated_device_base(device, 0, 1)
           && !annex_isolated_device_stats(device, 0, &stats)
           && !annex_isolated_device_start(device, 0, 1, ENTRIES, 0, &resumed,
                                           &err)
           && says(&err, "no memory area"), "nothing is there to begin with");
    tap_ok(annex_isolated_device_check(device, rings, 2, &err)
           && annex_isolated_device_prepare(device, rings, lives, 2, &err),
           "an area for two queues is");
    len = annex_isolated_device_len(device);
    fstat(annex_isolated_device_fd(device), &file);
    tap_ok(len >= (4 << 20) + 256 * 65536 && (uint64_t)file.st_size == len,
           "with 64 KiB an entry, and 4 MiB a queue");
    annex_isolated_device_vring(device, 0, &vring);
    annex_isolated_device_vring(device, 1, &other);
    tap_ok(vring.desc == ANNEX_ISOLATED_ADDRESS
           && vring.avail == vring.desc + 16 * ENTRIES
           && vring.used > vring.avail && other.desc > vring.used
           && other.used < ANNEX_ISOLATED_ADDRESS + len,
           "rings lie in the area");
    annex_isolated_device_vring(device, 2, &vring);
    tap_ok(!vring.desc && !vring.avail && !vring.used,
           "there is no third one");
    annex_isolated_device_free(device);

    device = annex_isolated_device_new(RNG, 3 << 20,
                                       ANNEX_ISOLATED_SCRUB_ALWAYS);
    tap_ok(annex_isolated_device_prepare(device, rings, lives, 2, NULL)
           && annex_isolated_device_len(device) == 4 << 20,
           "a length is rounded up");
    annex_isolated_device_free(device);
    device = annex_isolated_device_new(RNG, 4096,
                                       ANNEX_ISOLATED_SCRUB_ALWAYS);
    tap_ok(!annex_isolated_device_check(device, longest, 3, &err)
           && says(&err, "4096 bytes is too small"),
           "an area that is too small is refused, as it was asked for");
    annex_isolated_device_free(device);
}

static void test_features(void)
{
    tap_ok(annex_isolated_features_for_backend(~0ULL, 1) == (3ULL << 28 | 1)
           && annex_isolated_features_for_guest(1, 1ULL << 34)
              == (1ULL << 34 | 1),
           "back-end and guest have rings of their own");
    tap_ok(annex_isolated_feature_is_served(34)
           && !annex_isolated_feature_is_served(0), "any ring for the guest");
    tap_ok(annex_isolated_features_of_protocol(~0ULL) == ~0x49d02ULL,
           "nothing that reaches for guest memory");
    tap_ok(annex_isolated_queue_is_held(VSOCK, 0)
           && !annex_isolated_queue_is_held(BLOCK, 0),
           "vsock keeps what it may receive to, a disk nothing");
}

static void test_round_trip(AnnexIsolatedDevice *device,
                            AnnexIsolatedQueue *queue, Backend *backend)
{
    AnnexIsolatedStats stats;
    AnnexError *err = NULL;
    Request request;
    uint32_t written;
    Chain chain;

    ask(&request, "how are you?");
    tap_ok(lend(queue, &request, &err) == ANNEX_ISOLATED_LEND_LENT && !err
           && annex_isolated_queue_in_flight(queue) == 1, "a request is lent");
    tap_ok(!waiting(backend) && annex_isolated_queue_publish(queue)
           && waiting(backend) == 1 && !annex_isolated_queue_publish(queue),
           "the back-end sees it once it's published, and wants a kick for it");
    tap_ok(!reap(queue, &written) && !annex_isolated_queue_pending(queue),
           "there is nothing to reap");

    chain = fetch(backend);
    tap_ok(!chain.indirect && chain.outs == 2 && chain.out_len[0] == 1
           && chain.out[0][0] == 'h' && chain.out_len[1] == 11
           && !memcmp(chain.out[1], "ow are you?", 11) && chain.ins == 2
           && chain.in_len[0] == 2 && chain.in_len[1] == 8,
           "the back-end has the pieces, without the empty ones");
    memcpy(chain.in[0], "fi", 2);
    memcpy(chain.in[1], "ne, quit", 8);
    use(backend, chain.head, 4);
    tap_ok(annex_isolated_queue_pending(queue), "its answer is pending");
    tap_ok(reap(queue, &written) == &request && written == 4
           && !memcmp(request.answer, "fine............", 16),
           "of which the guest gets as much as the back-end says");
    tap_ok(!reap(queue, &written) && !annex_isolated_queue_in_flight(queue),
           "once");

    annex_isolated_device_stats(device, 0, &stats);
    tap_ok(stats.blocks == 1 && has(backend, "are you"),
           "the request's memory is in use still");
    annex_isolated_queue_clean(queue);
    annex_isolated_device_stats(device, 0, &stats);
    tap_ok(!stats.blocks && !has(backend, "are you") && !has(backend, "quit"),
           "until it's cleaned");

    ask(&request, "and you?");
    lend(queue, &request, &err);
    annex_isolated_queue_publish(queue);
    annex_isolated_queue_disable_notification(queue);
    tap_ok(le16toh(backend->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT,
           "the back-end is asked not to call");
    tap_ok(!annex_isolated_queue_enable_notification(queue) && !backend->avail->flags,
           "and to call");
    use(backend, fetch(backend).head, 1000);
    tap_ok(annex_isolated_queue_enable_notification(queue)
           && reap(queue, &written) == &request && written == 10,
           "not for what it has used before; a length is clamped");
    annex_isolated_device_stats(device, 0, &stats);
    tap_ok(stats.in_flight == 0 && stats.requests == 2 && stats.bytes_out == 20
           && stats.bytes_in == 14 && stats.clamped == 1 && stats.waits == 0,
           "all of which is counted");
    annex_isolated_queue_clean(queue);
}

/* The same back-end begins at 0 again. */
static AnnexIsolatedQueue *start_again(AnnexIsolatedDevice *device,
                                       Backend *backend)
{
    annex_isolated_device_connected(device);
    backend->next = 0;
    return start(device, 0, false);
}

static AnnexIsolatedQueue *test_full_and_refused(AnnexIsolatedDevice *device,
                                                 AnnexIsolatedQueue *queue,
                                                 Backend *backend)
{
    Request requests[ENTRIES + 1], *last = &requests[ENTRIES];
    AnnexIsolatedStats stats;
    AnnexError *err = NULL;
    uint32_t written;
    bool lent = true;
    Request *got;
    int i;

    for (i = 0; i < ENTRIES; i++) {
        lent &= tell(queue, ask(&requests[i], "x"), &err)
                == ANNEX_ISOLATED_LEND_LENT;
    }
    tap_ok(lent && !err && tell(queue, ask(last, "y"), &err)
           == ANNEX_ISOLATED_LEND_FULL && !err,
           "a ring that is full takes no more");
    annex_isolated_device_stats(device, 0, &stats);
    tap_ok(stats.waits == 1 && stats.in_flight == ENTRIES,
           "which is no error, but counted");
    annex_isolated_queue_publish(queue);
    use(backend, fetch(backend).head, 0);
    tap_ok(reap(queue, &written) == requests
           && tell(queue, last, &err) == ANNEX_ISOLATED_LEND_LENT,
           "until a request has come back");

    annex_isolated_device_stop(device, queue, NULL);
    for (i = 1; i <= ENTRIES; i++) {
        got = annex_isolated_device_returned(device);
        lent &= got == &requests[i];
    }
    tap_ok(lent && !annex_isolated_device_returned(device)
           && !backend->avail->idx
           && !annex_isolated_device_stats(device, 0, &stats),
           "a stop gives them back in their order");
    queue = start_again(device, backend);

    last->out[0].iov_len = (size_t)1 << 40;
    tap_ok(tell(queue, last, &err) == ANNEX_ISOLATED_LEND_TOO_LARGE
           && says(&err, "1099511627776 bytes doesn't fit"),
           "a request that is larger than the area never will be lent");
    last->out[0].iov_len = 0;
    tap_ok(tell(queue, last, &err) == ANNEX_ISOLATED_LEND_REFUSED
           && says(&err, "without buffers"), "and one without buffers");
    last->out[0].iov_len = 1;
    tap_ok(annex_isolated_queue_lend(queue, NULL, last->out, 1, NULL, 0, &err)
           == ANNEX_ISOLATED_LEND_REFUSED && says(&err, "NULL"),
           "and one that couldn't be told from none");
    return queue;
}

static AnnexIsolatedQueue *test_violation(AnnexIsolatedDevice *device,
                                          AnnexIsolatedQueue *queue,
                                          Backend *backend)
{
    AnnexIsolatedDone done = { .request = backend, .written = 7, .len = 7 };
    AnnexError *err = NULL;
    Request request, other;
    uint16_t next = 1;
    uint32_t written;

    lend(queue, ask(&request, "who's there?"), NULL);
    annex_isolated_queue_publish(queue);
    use(backend, fetch(backend).head + 1, 10);
    tap_ok(!annex_isolated_queue_reap(queue, &done, &err)
           && !done.request && !done.written && !done.len && says(&err, "which it doesn't have")
           && request.answer[0] == '.',
           "a request used that wasn't lent is a violation");
    tap_ok(annex_isolated_queue_pending(queue)
           && !annex_isolated_queue_reap(queue, &done, &err)
           && says(&err, "which it doesn't have"), "once and for all");
    tap_ok(lend(queue, ask(&other, "me"), &err) == ANNEX_ISOLATED_LEND_REFUSED
           && says(&err, "broken: the back-end says"), "nothing more is lent");
    annex_isolated_device_stop(device, queue, &next);
    tap_ok(annex_isolated_device_returned(device) == &request
           && !annex_isolated_device_returned(device), "it comes back");
    queue = start_again(device, backend);
    tap_ok(!annex_isolated_queue_pending(queue)
           && lend(queue, &other, &err) == ANNEX_ISOLATED_LEND_LENT,
           "and the queue starts again, with nothing of that back-end's");
    annex_isolated_queue_publish(queue);
    use(backend, fetch(backend).head, 0);
    tap_ok(reap(queue, &written) == &other, "then it works again");
    annex_isolated_queue_clean(queue);
    return queue;
}

/* The caller has its requests back, and the back-end goes on. */
static AnnexIsolatedQueue *test_suspension(AnnexIsolatedDevice *device,
                                           AnnexIsolatedQueue *queue,
                                           Backend *backend)
{
    AnnexIsolatedStats stats;
    Request first, second;
    AnnexError *err = NULL;
    uint32_t written;
    uint16_t head;
    int fd;

    lend(queue, ask(&first, "the first?"), NULL);
    lend(queue, ask(&second, "the second?"), NULL);
    annex_isolated_queue_publish(queue);
    head = fetch(backend).head;
    annex_isolated_device_stop(device, queue, &backend->next);
    tap_ok(annex_isolated_device_returned(device) == &first
           && annex_isolated_device_returned(device) == &second
           && !annex_isolated_device_returned(device),
           "who stops with the VM has its requests in their order");
    use(backend, head, 10);
    tap_ok(has(backend, "he second?")
           && annex_isolated_device_stats(device, 0, &stats)
           && stats.in_flight == 2, "the back-end has its copies");
    fd = annex_isolated_device_fd(device);
    tap_ok(prepare(device, 1) && annex_isolated_device_fd(device) == fd
           && annex_isolated_device_base(device, 0, 1) == backend->next
           && (queue = start(device, 0, true))
           && annex_isolated_queue_suspended(queue) == 2
           && !annex_isolated_queue_pending(queue) && !reap(queue, &written),
           "a start goes on where it is");
    tap_ok(tell(queue, &first, &err) == ANNEX_ISOLATED_LEND_REFUSED
           && says(&err, "isn't the request"), "it goes on with the same");
    tap_ok(lend(queue, &first, &err) == ANNEX_ISOLATED_LEND_LENT
           && lend(queue, &second, &err) == ANNEX_ISOLATED_LEND_LENT
           && !annex_isolated_queue_suspended(queue)
           && waiting(backend) == 1 && reap(queue, &written) == &first,
           "and then with what the back-end has done");
    use(backend, fetch(backend).head, 10);
    tap_ok(reap(queue, &written) == &second
           && !annex_isolated_queue_in_flight(queue), "until all is done");
    annex_isolated_queue_clean(queue);
    return queue;
}

/* What a back-end had goes to another one, in an area that it never sees. */
static void test_lost_backend(AnnexIsolatedDevice *device,
                              AnnexIsolatedQueue *queue, Backend *lost)
{
    AnnexIsolatedQueue *renewed;
    Request first, answered, last;
    Chain chain, next;
    Backend backend;
    uint32_t written;

    tell(queue, ask(&first, "?"), NULL);
    lend(queue, ask(&answered, "answer!"), NULL);
    lend(queue, ask(&last, "hello?"), NULL);
    annex_isolated_queue_publish(queue);
    fetch(lost);
    use(lost, fetch(lost).head, 0);
    tap_ok(reap(queue, &written) == &answered, "something was used");
    annex_isolated_device_stop(device, queue, NULL);
    tap_ok(annex_isolated_device_returned(device) == &first
           && annex_isolated_device_returned(device) == &last
           && !annex_isolated_device_returned(device),
           "what a lost back-end hasn't used comes back, in order");

    annex_isolated_device_connected(device);
    prepare(device, 1);
    renewed = start(device, 0, false);
    backend = connect_to(device);
    memset(lost->map, 0xff, lost->len);
    tap_ok(tell(renewed, &first, NULL) == ANNEX_ISOLATED_LEND_LENT
           && lend(renewed, &last, NULL) == ANNEX_ISOLATED_LEND_LENT
           && annex_isolated_queue_publish(renewed) && waiting(&backend) == 2
           && !annex_isolated_queue_pending(renewed),
           "a queue of another area takes it");
    chain = fetch(&backend);
    next = fetch(&backend);
    tap_ok(chain.out[0][0] == '?' && !memcmp(next.out[1], "ello?", 5)
           && !has(&backend, "nswer!"),
           "with nothing lost, and nothing else");
    use(&backend, chain.head, 0);
    use(&backend, next.head, 0);
    tap_ok(reap(renewed, &written) == &first && reap(renewed, &written) == &last
           && !annex_isolated_queue_in_flight(renewed), "it's answered there");

    annex_isolated_device_stop(device, renewed, NULL);
    disconnect(&backend);
    tap_ok(lost->map[0] == 0xff
           && !memcmp(lost->map, lost->map + 1, lost->len - 1),
           "and the old area is left alone");
}

static void *watch(void *opaque)
{
    const AnnexIsolatedDevice *device = opaque;
    AnnexIsolatedStats stats = { 0 };
    uint64_t before;

    do {
        before = stats.requests;
        annex_isolated_device_stats(device, 0, &stats);
    } while (stats.requests >= before && stats.requests < ROUNDS);
    return stats.requests == ROUNDS && stats.in_flight <= 1 ? opaque : NULL;
}

/* Features, a disk's failure, and counting by another thread meanwhile. */
static void test_options(void)
{
    AnnexIsolatedDevice *device =
        annex_isolated_device_new(BLOCK, 0, ANNEX_ISOLATED_SCRUB_IDLE);
    AnnexIsolatedQueue *queue;
    void *watched = NULL;
    Backend backend;
    bool right = true;
    pthread_t thread;
    Request request;
    uint32_t written;
    Chain chain;

    prepare(device, 1);
    /* VIRTIO_RING_F_INDIRECT_DESC and VIRTIO_RING_F_EVENT_IDX */
    queue = start(device, 3ULL << 28, false);
    backend = connect_to(device);

    lend(queue, ask(&request, "hello"), NULL);
    tap_ok(annex_isolated_queue_publish(queue),
           "with event indexes the first request is worth a kick");
    chain = fetch(&backend);
    tap_ok(chain.indirect && chain.outs == 2 && chain.out_len[1] == 4
           && chain.ins == 2, "indirect descriptors");
    memcpy(chain.in[1], "yes", 3);
    use(&backend, chain.head, 0);
    tap_ok(reap(queue, &written) == &request && written == 10
           && !memcmp(request.answer, "\0\0yes\0\0\0\0\1......", 16),
           "a disk that says 0 is copied from; it wrote no status, so it failed");
    annex_isolated_queue_clean(queue);
    right &= has(&backend, "ello");
    right &= !annex_isolated_queue_scrub(queue, 16);
    tap_ok(right && !has(&backend, "ello"),
           "what was read is zeroed when there is time");

    ask(&request, "hello")->out[0].iov_len = (size_t)1 << 40;
    tap_ok(lend(queue, &request, NULL) == ANNEX_ISOLATED_LEND_TOO_LARGE
           && annex_isolated_queue_refuse(queue, request.out, 3, request.in,
                                          3) == 10
           && !memcmp(request.answer, ".........\1......", 16)
           && !annex_isolated_queue_refuse(queue, request.out, 3, NULL, 0),
           "and a request that is too large has failed, if it can say so");
    ask(&request, "hello");

    lend(queue, &request, NULL);
    tap_ok(!annex_isolated_queue_publish(queue),
           "the next request is none if the back-end doesn't say so");
    tap_ok(!annex_isolated_queue_enable_notification(queue)
           && le16toh(backend.avail->ring[ENTRIES]) == 1,
           "the used event says when to call");
    use(&backend, fetch(&backend).head, 0);
    right &= reap(queue, &written) == &request;

    pthread_create(&thread, NULL, watch, device);
    for (int i = 2; i < ROUNDS; i++) {
        right &= lend(queue, &request, NULL) == ANNEX_ISOLATED_LEND_LENT;
        annex_isolated_queue_publish(queue);
        use(&backend, fetch(&backend).head, 0);
        right &= reap(queue, &written) == &request;
        annex_isolated_queue_clean(queue);
    }
    pthread_join(thread, &watched);
    tap_ok(right && watched, "while another thread reads what is counted");

    lend(queue, &request, NULL);
    annex_isolated_device_stop(device, queue, NULL);
    tap_ok(!has(&backend, "ello"), "a queue that stops leaves nothing behind");
    annex_isolated_device_free(device);
    disconnect(&backend);
}

int main(void)
{
    AnnexIsolatedDevice *device =
        annex_isolated_device_new(RNG, 0, ANNEX_ISOLATED_SCRUB_ALWAYS);
    AnnexIsolatedQueue *queue;
    AnnexError *err = NULL;
    Backend backend;
    bool resumed;

    test_area();
    test_features();

    prepare(device, 1);
    tap_ok(!annex_isolated_device_start(device, 2, 1, ENTRIES, 0, &resumed,
                                        &err)
           && says(&err, "queue 2"), "a third queue isn't there");
    queue = start(device, 0, false);
    tap_ok(queue && !annex_isolated_device_start(device, 0, 1, ENTRIES, 0,
                                                 &resumed, &err)
           && says(&err, "in use"), "a queue is started once");
    backend = connect_to(device);

    test_round_trip(device, queue, &backend);
    queue = test_full_and_refused(device, queue, &backend);
    queue = test_violation(device, queue, &backend);
    queue = test_suspension(device, queue, &backend);
    test_lost_backend(device, queue, &backend);
    annex_isolated_device_free(device);
    disconnect(&backend);

    test_options();
    return tap_done();
}
