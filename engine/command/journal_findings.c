#include "engine/command/journal_findings.h"

#include "engine/base/check.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

void journal_findings_begin(struct journal_findings *f, const char *file)
{
    f->file = file;
    f->count = 0;
    f->damage_count = f->remark_count = 0;
}

static void add(struct journal_findings *f, const struct journal_finding *finding)
{
    *(finding->is_damage ? &f->damage_count : &f->remark_count) += 1;
    if (f->count < JOURNAL_FINDINGS_MAX)
        f->list[f->count++] = *finding;
}

void journal_findings_damage(struct journal_findings *f, uint64_t offset, const char *what)
{
    add(f, &(struct journal_finding){.is_damage = true, .offset = offset, .what = what});
}

void journal_findings_remark(struct journal_findings *f, uint64_t offset, const char *what)
{
    add(f, &(struct journal_finding){.offset = offset, .what = what});
}

void journal_findings_damage_of(struct journal_findings *f, const struct journal_reader *r,
                                uint64_t id, const char *what)
{
    add(f, &(struct journal_finding){.is_damage = true,
                                     .type = r->record.type,
                                     .id = id,
                                     .offset = r->record_offset,
                                     .what = what});
}

static void print_one(const struct journal_findings *f, struct journal_line *l,
                      const struct journal_finding *finding)
{
    journal_line_begin(l, finding->is_damage ? "damage" : "remark");
    journal_line_text(l, "file", slice_of_text(f->file));
    journal_line_u64(l, "offset", finding->offset);
    if (journal_type_print(finding->type))
        journal_line_word(l, "type", journal_type_print(finding->type));
    if (finding->id != 0)
        journal_line_id(l, "id", finding->id);
    journal_line_word(l, "what", finding->what);
    journal_line_end(l);
}

void journal_findings_print(struct journal_findings *f, struct journal_line *l)
{
    for (uint32_t i = 0; i < f->count; i++)
        print_one(f, l, &f->list[i]);
    uint64_t more = f->damage_count + f->remark_count - f->count;
    if (more > 0) {
        journal_line_begin(l, f->damage_count > 0 ? "damage" : "remark");
        journal_line_text(l, "file", slice_of_text(f->file));
        journal_line_u64(l, "more", more);
        journal_line_end(l);
    }
    f->damage_total += f->damage_count;
    f->remark_total += f->remark_count;
    journal_findings_begin(f, f->file);
}

void journal_findings_changed(struct journal_findings *f, struct journal_line *l)
{
    journal_line_begin(l, "changed");
    journal_line_text(l, "file", slice_of_text(f->file));
    journal_line_word(l, "what",
                      "the running engine used it anew, or took it away, while it was read");
    journal_line_end(l);
    journal_findings_begin(f, f->file);
}

void journal_journal_line(struct journal_line *l, const struct journal_segments *s,
                          const char *path)
{
    static const char *const locks[] = {
        [JOURNAL_STOPPED] = "stopped",
        [JOURNAL_RUNNING] = "running",
        [JOURNAL_UNKNOWN] = "unknown",
    };
    journal_line_begin(l, "journal");
    journal_line_text(l, "path", slice_of_text(path));
    journal_line_u64(l, "segments", s->count);
    journal_line_word(l, "engine", locks[s->folder.lock]);
    journal_line_end(l);
}

void journal_end_line(struct journal_line *l, const struct journal_reader *r,
                      const struct journal_segment *about, const char *fault)
{
    journal_line_word(l, "end", journal_end_print(fault ? JOURNAL_END_DAMAGED : r->end));
    journal_line_u64(l, "end_offset", r->end_offset);
    if (r->end == JOURNAL_END_SEALED)
        journal_line_u64(l, "sealed_by", about->sealed_by);
    if (r->end == JOURNAL_END_DAMAGED && r->durable != 0)
        journal_line_u64(l, "durable", r->durable);
    if (r->end == JOURNAL_END_DAMAGED && r->why)
        journal_line_word(l, "why", r->why);
    else if (fault || r->why)
        journal_line_word(l, "why", fault ? fault : r->why);
}

const char *journal_type_print(uint8_t type)
{
    static const char *const names[] = {
        [RECORD_OPENS] = "opens",   [RECORD_MESSAGE] = "message", [RECORD_STATE] = "state",
        [RECORD_RESULT] = "result", [RECORD_ATTEMPT] = "attempt", [RECORD_KEY] = "key",
    };
    return type < COUNT_OF(names) ? names[type] : NULL;
}

static uint64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec + 1; // never 0
}

void journal_progress_init(struct journal_progress *p, uint64_t count)
{
    *p = (struct journal_progress){.count = count};
    if (isatty(STDERR_FILENO) && !isatty(STDOUT_FILENO))
        p->shown_s = now_s();
}

void journal_progress_at(struct journal_progress *p, uint64_t step)
{
    if (p->shown_s == 0 || now_s() <= p->shown_s + 1)
        return;
    p->shown_s = now_s();
    p->is_shown = true;
    fprintf(stderr, "\r%3u %% read", (unsigned)(step * 100 / p->count));
}

void journal_progress_over(struct journal_progress *p)
{
    if (p->is_shown)
        fprintf(stderr, "\r          \r");
}
