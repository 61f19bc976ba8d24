// engine/tls/names.h: what versions and cipher suites are called, by their numbers on the wire; for
// who keeps the numbers, and has no session to ask.
#ifndef POSTHASTE_TLS_NAMES_H
#define POSTHASTE_TLS_NAMES_H

#include <stdint.h>

#define TLS_NAME_TEXT_BYTES 48

// What was negotiated. version 0: nothing, in the clear.
struct tls_numbers {
    uint16_t version; // 0x0304
    uint16_t cipher;  // 0x1302
};

// "TLSv1.3"; "none" for 0; else a number.
const char *tls_version_print(uint16_t version, char text[TLS_NAME_TEXT_BYTES]);
// "TLS_AES_256_GCM_SHA384", as IANA has it; else a number.
const char *tls_cipher_print(uint16_t cipher, char text[TLS_NAME_TEXT_BYTES]);

#endif
