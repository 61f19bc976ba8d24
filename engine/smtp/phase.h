// engine/smtp/phase.h: which command a reply answers; for the client, and for who judges replies.
#ifndef POSTHASTE_SMTP_PHASE_H
#define POSTHASTE_SMTP_PHASE_H

enum smtp_phase {
    SMTP_PHASE_GREETING,
    SMTP_PHASE_EHLO,
    SMTP_PHASE_HELO,
    SMTP_PHASE_MAIL,
    SMTP_PHASE_RCPT,
    SMTP_PHASE_DATA,    // the reply to DATA itself (354)
    SMTP_PHASE_CONTENT, // the verdict after the final dot or BDAT LAST; awaited from the 354 on
    SMTP_PHASE_RSET,
    SMTP_PHASE_QUIT,
    SMTP_PHASE_STARTTLS,
    SMTP_PHASE_AUTH,
    SMTP_PHASE_COUNT,
};

#endif
