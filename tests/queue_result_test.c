#include "engine/base/check.h"
#include "queue/result.h"
#include "tests/suite.h"

#include <stdio.h>
#include <stdlib.h>

static struct result example(struct job *j, uint32_t rcpt)
{
    return (struct result){
        .job = j,
        .rcpt = rcpt,
        .delay_s = 300,
        .wall_us = UINT64_C(1700000000000000),
        .attempt = 3,
        .code = 451,
        .enhanced = {4, 7, 1},
        .kind = RESULT_DEFERRED,
        .in_doubt = true,
        .notice = true,
        .host = SLICE("mx1.example"),
        .address = SLICE("192.0.2.1:25"),
        .text = SLICE("4.7.1 greylisted, come back"),
        .sender = SLICE("a@sender.example"),
        .recipient = SLICE("u@a.example"),
    };
}

static bool same(const struct result *a, const struct result *b)
{
    return a->job == b->job && a->rcpt == b->rcpt && a->delay_s == b->delay_s &&
           a->wall_us == b->wall_us && a->attempt == b->attempt && a->code == b->code &&
           memcmp(a->enhanced, b->enhanced, sizeof(a->enhanced)) == 0 && a->kind == b->kind &&
           a->in_doubt == b->in_doubt && a->notice == b->notice &&
           a->job_comes_home == b->job_comes_home && slice_equal(a->host, b->host) &&
           slice_equal(a->address, b->address) && slice_equal(a->text, b->text) &&
           slice_equal(a->sender, b->sender) && slice_equal(a->recipient, b->recipient);
}

// A page filled to its end gives back all that went in, with texts of every length.
static void a_page_gives_back_what_went_in(void)
{
    struct result_page *p = calloc(1, sizeof(*p));
    struct job j = {0};
    char text[RESULT_TEXT_BYTES_MAX];
    uint32_t added = 0, offset = 0, read = 0;
    struct result got;
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memset(text, 't', sizeof(text));
    CU_ASSERT(!result_page_next(p, &offset, &got));
    for (;; added++) {
        struct result r = example(&j, added);
        r.text = slice_make(text, added * 7 % (sizeof(text) + 1));
        r.host = slice_make(text, added % 200);
        r.sender = slice_make(text, added * 3 % (sizeof(text) + 1));
        r.recipient = slice_make(text, added * 5 % (sizeof(text) + 1));
        r.job_comes_home = added % 2;
        if (!result_page_add(p, &r))
            break;
    }
    CU_ASSERT(added > 20);
    CU_ASSERT_EQUAL(p->result_count, added);
    for (offset = 0; result_page_next(p, &offset, &got); read++) {
        struct result want = example(&j, read);
        want.text = slice_make(text, read * 7 % (sizeof(text) + 1));
        want.host = slice_make(text, read % 200);
        want.sender = slice_make(text, read * 3 % (sizeof(text) + 1));
        want.recipient = slice_make(text, read * 5 % (sizeof(text) + 1));
        want.job_comes_home = read % 2;
        CU_ASSERT(same(&got, &want));
    }
    CU_ASSERT_EQUAL(read, added);
    free(p);
}

static void long_texts_are_cut(void)
{
    struct result_page *p = calloc(1, sizeof(*p));
    char text[2000];
    struct result got, r = {.kind = RESULT_FAILED};
    uint32_t offset = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memset(text, 't', sizeof(text));
    r.text = r.host = r.address = r.sender = r.recipient = slice_make(text, sizeof(text));
    CU_ASSERT(result_page_add(p, &r));
    CU_ASSERT(result_page_next(p, &offset, &got));
    CU_ASSERT_EQUAL(got.text.len, RESULT_TEXT_BYTES_MAX);
    CU_ASSERT_EQUAL(got.host.len, 255);
    CU_ASSERT_EQUAL(got.address.len, 255);
    CU_ASSERT_EQUAL(got.sender.len, RESULT_TEXT_BYTES_MAX);
    CU_ASSERT_EQUAL(got.recipient.len, RESULT_TEXT_BYTES_MAX);
    CU_ASSERT(!result_page_next(p, &offset, &got));
    free(p);
}

static void a_page_is_used_again(void)
{
    struct result_page *p = calloc(1, sizeof(*p));
    struct result got, r = example(NULL, 7);
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    while (result_page_add(p, &r))
        ;
    p->used_bytes = p->result_count = 0;
    CU_ASSERT(result_page_add(p, &r));
    uint32_t offset = 0, read = 0;
    while (result_page_next(p, &offset, &got))
        read++;
    CU_ASSERT_EQUAL(read, 1);
    free(p);
}

static void kept_results_come_back(void)
{
    struct buffer b;
    struct result got;
    size_t offset = 0, half = 0;
    buffer_init(&b, 1 << 20);
    for (uint32_t i = 0; i < 100; i++) {
        struct result r = example(NULL, i);
        CU_ASSERT(result_keep(&b, &r));
        half = i == 49 ? b.len : half;
    }
    for (uint32_t i = 0; i < 50; i++) {
        struct result want = example(NULL, i);
        CU_ASSERT(result_kept_next(&b, half, &offset, &got));
        CU_ASSERT(same(&got, &want));
    }
    CU_ASSERT(!result_kept_next(&b, half, &offset, &got));
    buffer_drop_front(&b, half);
    offset = 0;
    CU_ASSERT(result_kept_next(&b, b.len, &offset, &got));
    CU_ASSERT_EQUAL(got.rcpt, 50);
    buffer_release(&b);
}

static const struct suite_test tests[] = {
    {"a page gives back what went in", a_page_gives_back_what_went_in},
    {"long texts are cut", long_texts_are_cut},
    {"a page is used again", a_page_is_used_again},
    {"kept results come back", kept_results_come_back},
};

SUITE_MAIN("queue_result", tests)
