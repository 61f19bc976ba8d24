#include "engine/base/check.h"
#include "queue/journal.h"
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
        .code = 451,
        .enhanced = {4, 7, 1},
        .outcome = RESULT_DEFERRED,
        .in_doubt = true,
        .host = SLICE("mx1.example"),
        .address = SLICE("192.0.2.1:25"),
        .text = SLICE("4.7.1 greylisted, come back"),
    };
}

static bool same(const struct result *a, const struct result *b)
{
    return a->job == b->job && a->rcpt == b->rcpt && a->delay_s == b->delay_s &&
           a->wall_us == b->wall_us && a->code == b->code &&
           memcmp(a->enhanced, b->enhanced, sizeof(a->enhanced)) == 0 && a->outcome == b->outcome &&
           a->in_doubt == b->in_doubt && a->job_comes_home == b->job_comes_home &&
           slice_equal(a->host, b->host) && slice_equal(a->address, b->address) &&
           slice_equal(a->text, b->text);
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
    struct result got, r = {.outcome = RESULT_FAILED};
    uint32_t offset = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(p);
    memset(text, 't', sizeof(text));
    r.text = r.host = r.address = slice_make(text, sizeof(text));
    CU_ASSERT(result_page_add(p, &r));
    CU_ASSERT(result_page_next(p, &offset, &got));
    CU_ASSERT_EQUAL(got.text.len, RESULT_TEXT_BYTES_MAX);
    CU_ASSERT_EQUAL(got.host.len, 255);
    CU_ASSERT_EQUAL(got.address.len, 255);
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

// What was appended is committed by the end of the turn and not before, in order, once.
static void messages_are_committed_by_turns(void)
{
    struct journal j;
    struct message messages[6] = {0};
    journal_init(&j);
    for (int i = 0; i < 6; i++)
        messages[i].envelope_sealed = true;
    journal_turn(&j);
    CU_ASSERT_PTR_NULL(journal_committed(&j));
    journal_append(&j, &messages[0]);
    journal_append(&j, &messages[1]);
    CU_ASSERT_PTR_NULL(journal_committed(&j));
    journal_turn(&j);
    CU_ASSERT_PTR_EQUAL(journal_committed(&j), &messages[0]);
    journal_append(&j, &messages[2]);
    journal_turn(&j); // the caller has not asked for all of the turn before
    journal_append(&j, &messages[3]);
    CU_ASSERT_PTR_EQUAL(journal_committed(&j), &messages[1]);
    CU_ASSERT_PTR_EQUAL(journal_committed(&j), &messages[2]);
    CU_ASSERT_PTR_NULL(journal_committed(&j));
    journal_turn(&j);
    CU_ASSERT_PTR_EQUAL(journal_committed(&j), &messages[3]);
    CU_ASSERT_PTR_NULL(journal_committed(&j));
    CU_ASSERT_EQUAL(j.message_count, 4);
    for (int i = 0; i < 4; i++)
        journal_forget(&j, &messages[i]);
    CU_ASSERT_EQUAL(j.forgotten_count, 4);
}

static void results_are_counted(void)
{
    struct journal j;
    struct message m = {0};
    struct job job = {.message = &m};
    struct result r = example(&job, 0);
    journal_init(&j);
    journal_result(&j, &r);
    CU_ASSERT_EQUAL(j.result_count, 1);
}

static const struct suite_test tests[] = {
    {"a page gives back what went in", a_page_gives_back_what_went_in},
    {"long texts are cut", long_texts_are_cut},
    {"a page is used again", a_page_is_used_again},
    {"messages are committed by turns", messages_are_committed_by_turns},
    {"results are counted", results_are_counted},
};

SUITE_MAIN("queue_result", tests)
