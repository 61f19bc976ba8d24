// Client sessions against a server with a ledger: what the owner is told must agree with what the
// server took, whatever it refuses, and wherever the session ends.
#include "tests/smtp_model.h"
#include "tests/suite.h"

#define SEEDS 6000
#define TAGS_MAX MODEL_MAILS_MAX

#define MODEL_CHECK(condition, seed)                                                               \
    do {                                                                                           \
        if (!(condition))                                                                          \
            printf("\nseed %llu: %s", (unsigned long long)(seed), #condition);                     \
        CU_ASSERT_FATAL(condition);                                                                \
    } while (0)

enum outcome { OUTCOME_NONE, OUTCOME_DELIVERED, OUTCOME_ENDED };

struct owner {
    uint64_t seed;
    struct model *model;
    enum outcome outcomes[TAGS_MAX];
    bool refused[TAGS_MAX][MODEL_RCPTS_MAX];
};

static struct session session;
static struct model model;
static struct model_mails mails;
static struct owner owner;

static void owner_command(struct session *s, enum peer_command command)
{
    model_command(((struct owner *)s->test->own)->model, s, command);
}

static void owner_event(struct session *s, const struct smtp_event *e)
{
    struct owner *o = s->test->own;
    switch (e->kind) {
    case SMTP_RCPT_REFUSED:
        MODEL_CHECK(o->outcomes[e->tag] == OUTCOME_NONE && !o->refused[e->tag][e->rcpt], o->seed);
        MODEL_CHECK(e->reply->code >= 400, o->seed);
        o->refused[e->tag][e->rcpt] = true;
        break;
    case SMTP_DONE:
        MODEL_CHECK(o->outcomes[e->tag] == OUTCOME_NONE, o->seed); // told once
        o->outcomes[e->tag] = e->phase == SMTP_PHASE_CONTENT && reply_is_success(e->reply)
                                  ? OUTCOME_DELIVERED
                                  : OUTCOME_ENDED;
        break;
    case SMTP_MORE:
    case SMTP_REPLIED:
    case SMTP_TLS:
    case SMTP_READY:
    case SMTP_CLOSED: break;
    }
}

static bool is_unfinished(uint64_t tag, bool *ret_written)
{
    struct smtp_unfinished u;
    for (uint32_t i = 0; smtp_client_unfinished(&session.client, i, &u); i++)
        if (u.tag == tag) {
            *ret_written = u.written;
            return true;
        }
    return false;
}

static void compare_with_ledger(void)
{
    uint64_t seed = owner.seed;
    for (uint32_t tag = 0; tag < mails.count; tag++) {
        const struct model_entry *entry = &model.ledger[tag];
        bool written = false;
        bool unfinished = is_unfinished(tag, &written);
        MODEL_CHECK(entry->taken <= 1, seed);
        MODEL_CHECK(entry->taken == 0 || entry->content_ok, seed);
        MODEL_CHECK(!unfinished || owner.outcomes[tag] == OUTCOME_NONE, seed);
        MODEL_CHECK(unfinished || owner.outcomes[tag] != OUTCOME_NONE ||
                        tag >= session.mails_started,
                    seed);
        if (owner.outcomes[tag] != OUTCOME_DELIVERED) {
            MODEL_CHECK(entry->taken == 0 || written, seed); // at worst in doubt
            continue;
        }
        MODEL_CHECK(entry->taken == 1, seed);
        for (uint32_t rcpt = 0; rcpt < mails.mails[tag].rcpt_count; rcpt++)
            MODEL_CHECK(entry->has_rcpt[rcpt] != owner.refused[tag][rcpt], seed);
    }
}

static uint32_t run_seed(const struct model_manner *manner, uint64_t seed, uint32_t mail_count,
                         uint32_t rcpt_count_max, struct smtp_client_options options)
{
    const struct session_test test = {&owner, owner_command, owner_event};
    struct random dice;
    uint32_t delivered = 0;
    random_init(&dice, seed);
    memset(&owner, 0, sizeof(owner));
    owner.seed = seed;
    owner.model = &model;
    model_mails_make(&mails, &dice, mail_count, rcpt_count_max);
    model_init(&model, manner, seed ^ 0x5eed);
    session.test = &test;
    session.mails = mails.mails;
    session.mail_count = mail_count;
    session.quits = random_below(&dice, 2) == 0;
    session.cut = (enum session_cut[]){CUT_NOWHERE, CUT_BY_BYTE, CUT_BY_SEED,
                                       CUT_BY_SEED}[random_below(&dice, 4)];
    random_init(&session.dice, random_u64(&dice));
    options.helo_name = SLICE("client.example");
    session_run(&session, &options);
    compare_with_ledger();
    for (uint32_t tag = 0; tag < mail_count; tag++)
        delivered += owner.outcomes[tag] == OUTCOME_DELIVERED;
    return delivered;
}

static const char *const ehlos[] = {
    "250 model\r\n",
    "250-model\r\n250 PIPELINING\r\n",
    "250-model\r\n250-PIPELINING\r\n250-SIZE 2000\r\n250 CHUNKING\r\n",
    "250-model\r\n250-PIPELINING\r\n250 CHUNKING\r\n",
    "500 what\r\n",
};

static void what_is_told_agrees_with_what_was_taken(void)
{
    uint32_t delivered = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct random dice;
        random_init(&dice, seed * 7 + 1);
        uint32_t trouble = (uint32_t[]){0, 20, 200, 600}[random_below(&dice, 4)];
        struct model_manner manner = {
            .ehlo = ehlos[random_below(&dice, 5)],
            .refuse_mail = random_below(&dice, trouble + 1),
            .refuse_rcpt = random_below(&dice, trouble + 1),
            .refuse_data = random_below(&dice, trouble + 1),
            .refuse_content = random_below(&dice, trouble + 1),
            .hang_up = random_below(&dice, 2) ? random_below(&dice, 40) : 0,
            .fall_silent = random_below(&dice, 2) ? random_below(&dice, 40) : 0,
            .goes_ahead_for_none = random_below(&dice, 2) == 0,
            .sender_stands = random_below(&dice, 2) == 0,
        };
        struct smtp_client_options options = {.window = (uint16_t)(1 + random_below(&dice, 8)),
                                              .decisions_only = random_below(&dice, 2) == 0};
        uint32_t mail_count = 1 + random_below(&dice, 20);
        uint32_t rcpt_count_max = 1 + random_below(&dice, 5);
        delivered += run_seed(&manner, seed, mail_count, rcpt_count_max, options);
    }
    CU_ASSERT(delivered > SEEDS); // most of it was no exercise in refusing
}

// Without trouble all is delivered and nothing else is told; at every window.
static void without_trouble_all_is_delivered(void)
{
    for (size_t ehlo = 0; ehlo < sizeof(ehlos) / sizeof(ehlos[0]); ehlo++)
        for (uint16_t window = 1; window <= SMTP_WINDOW_MAX; window++) {
            struct model_manner manner = {.ehlo = ehlos[ehlo]};
            struct smtp_client_options options = {
                .window = window, .ignore = SMTP_SIZE, .decisions_only = window % 2 == 0};
            uint32_t got = run_seed(&manner, window, MODEL_MAILS_MAX, 2, options);
            CU_ASSERT_EQUAL(got, MODEL_MAILS_MAX);
        }
}

// A thousand recipients: more than there is room for awaited replies, or for text on a wire.
static void a_thousand_recipients(void)
{
    for (size_t ehlo = 0; ehlo < sizeof(ehlos) / sizeof(ehlos[0]); ehlo++)
        for (uint64_t seed = 0; seed < 12; seed++) {
            struct model_manner manner = {.ehlo = ehlos[ehlo],
                                          .refuse_rcpt = seed % 3 == 0 ? 300 : 0,
                                          .refuse_mail = seed % 4 == 3 ? 500 : 0};
            struct smtp_client_options options = {.window = 4, .ignore = SMTP_SIZE};
            run_seed(&manner, seed, 4, MODEL_RCPTS_MAX, options);
        }
}

static const struct suite_test tests[] = {
    {"what is told agrees with what was taken", what_is_told_agrees_with_what_was_taken},
    {"without trouble all is delivered", without_trouble_all_is_delivered},
    {"a thousand recipients", a_thousand_recipients},
};

SUITE_MAIN("client_model", tests)
