// tests/outcome_table_test.c: tests/outcome_table.txt, case by case: what each answer at each step
// of a session comes to for each recipient. The table is written by hand; nothing here computes
// what it should say.
//
//     outcome_table_test TABLE [LINE]      (LINE: that one alone)
#include "engine/base/buffer.h"
#include "engine/base/check.h"
#include "tests/sim/outcome.h"
#include "tests/suite.h"

#include <signal.h>
#include <stdlib.h>
#include <urcu/urcu-qsbr.h>

#define TABLE_BYTES_MAX (1024 * 1024)
#define CASES_MIN 300

static const char *table_path;
static unsigned line_wanted; // 0: all
static unsigned line_now;    // for who looks at a crash

static const char *const setup_names[] = {
    [OUTCOME_LOCKSTEP] = "lockstep",
    [OUTCOME_PIPELINED] = "pipelined",
    [OUTCOME_STREAMED] = "streamed",
    [OUTCOME_ALONE] = "alone",
};

// A section's columns.
struct columns {
    uint32_t count;
    enum outcome_setup setups[OUTCOME_SETUP_COUNT];
};

static struct slice cut_word(struct slice *rest)
{
    *rest = slice_trim(*rest);
    return slice_cut(rest, ' ');
}

static void read_columns(struct columns *to, struct slice rest)
{
    to->count = 0;
    for (struct slice word = cut_word(&rest); word.len > 0; word = cut_word(&rest)) {
        enum outcome_setup setup = OUTCOME_LOCKSTEP;
        while (setup < OUTCOME_SETUP_COUNT && !slice_equal(word, slice_of_text(setup_names[setup])))
            setup++;
        CHECK(setup < OUTCOME_SETUP_COUNT && to->count < OUTCOME_SETUP_COUNT);
        to->setups[to->count++] = setup;
    }
}

static char unescape(struct slice *rest)
{
    static const char hex[] = "0123456789abcdef";
    char c = rest->data[0];
    *rest = slice_skip(*rest, 1);
    if (c == 'n')
        return '\n';
    if (c == 'r')
        return '\r';
    if (c != 'x')
        return c;
    CHECK(rest->len >= 2);
    c = (char)((strchr(hex, rest->data[0]) - hex) << 4 | (strchr(hex, rest->data[1]) - hex));
    *rest = slice_skip(*rest, 2);
    return c;
}

// "250 fine": a line with its CRLF; \c at its end: without. \r, \n, \xNN as in C.
static void read_quoted(struct slice *rest, struct buffer *to)
{
    bool ends_line = true;
    *rest = slice_skip(*rest, 1);
    while (rest->data[0] != '"') {
        char c = rest->data[0];
        *rest = slice_skip(*rest, 1);
        if (c == '\\' && rest->data[0] == 'c') {
            ends_line = false;
            *rest = slice_skip(*rest, 1);
            continue;
        }
        CHECK(buffer_append_byte(to, c == '\\' ? unescape(rest) : c));
        CHECK(rest->len > 0);
    }
    *rest = slice_skip(*rest, 1);
    CHECK(!ends_line || buffer_append(to, SLICE("\r\n")));
}

// What is answered: quoted lines, and close, silence, refuse, lost.
static void read_answer(struct slice *rest, struct outcome_case *c, struct buffer *say)
{
    for (;;) {
        *rest = slice_trim(*rest);
        struct slice after = *rest;
        struct slice word = cut_word(&after);
        if (rest->len > 0 && rest->data[0] == '"') {
            read_quoted(rest, say);
            continue;
        }
        if (slice_equal(word, SLICE("close")))
            c->closes = true;
        else if (slice_equal(word, SLICE("silence")))
            c->is_silent = true;
        else if (slice_equal(word, SLICE("refuse")))
            c->refuses = true;
        else if (slice_equal(word, SLICE("lost")))
            c->is_black_hole = true;
        else
            break;
        *rest = after;
    }
    c->say = buffer_slice(say);
}

static void play(const struct outcome_case *c, struct slice want)
{
    struct outcome got = outcome_play(c);
    bool fits = slice_equal(want, slice_of_text(got.letters));
    CU_ASSERT(fits);
    if (!fits)
        printf("\n  line %u, %s: want %.*s, got %s %s", line_now, setup_names[c->setup],
               SLICE_ARG(want), got.letters, got.trouble);
}

// STEP ANSWER OUTCOME... WHY. Returns how many cases that was.
static uint32_t play_line(struct slice line, const struct columns *columns)
{
    uint32_t count = 0;
    struct buffer say;
    buffer_init(&say, TABLE_BYTES_MAX);
    struct outcome_case c = {.step = cut_word(&line)};
    read_answer(&line, &c, &say);
    for (uint32_t i = 0; i < columns->count; i++) {
        struct slice want = cut_word(&line);
        c.setup = columns->setups[i];
        if (slice_equal(want, SLICE("-")))
            continue;
        CHECK(want.len == OUTCOME_RCPTS);
        play(&c, want);
        count++;
    }
    CHECK(slice_trim(line).len > 0); // why
    buffer_release(&say);
    return count;
}

static void read_table(struct buffer *to)
{
    FILE *file = fopen(table_path, "re");
    CHECK(file);
    for (int c = fgetc(file); c != EOF; c = fgetc(file))
        CHECK(buffer_append_byte(to, (char)c));
    fclose(file);
}

static void test_table(void)
{
    struct buffer table;
    struct columns columns = {.count = 0};
    uint32_t count = 0;
    buffer_init(&table, TABLE_BYTES_MAX);
    read_table(&table);
    struct slice rest = buffer_slice(&table);
    for (line_now = 1; rest.len > 0; line_now++) {
        struct slice line = slice_trim(slice_cut(&rest, '\n'));
        struct slice after = line;
        if (line.len == 0 || line.data[0] == '#')
            continue;
        if (slice_equal(cut_word(&after), SLICE("columns")))
            read_columns(&columns, after);
        else if (line_wanted == 0 || line_wanted == line_now)
            count += play_line(line, &columns);
    }
    printf("\n  %u cases\n", count);
    CU_ASSERT(line_wanted > 0 || count >= CASES_MIN);
    buffer_release(&table);
}

static void on_abort(int signal_number)
{
    fprintf(stderr, "\n  at line %u\n", line_now);
    signal(signal_number, SIG_DFL);
    raise(signal_number);
}

static const struct suite_test tests[] = {
    {"the table", test_table},
};

int main(int argc, char **argv)
{
    CHECK(argc > 1);
    table_path = argv[1];
    line_wanted = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
    signal(SIGABRT, on_abort);
    urcu_qsbr_register_thread();
    int result = suite_main("outcome_table", tests, COUNT_OF(tests), 1, argv);
    urcu_qsbr_unregister_thread();
    return result;
}
