#include "tests/sim/engine_certificates.h"

#include "engine/base/check.h"
#include "tests/sim/tls_dice.h"

#include <string.h>

// All are for the names *.site0.example to *.site15.example and d0001.example to d0016.example but
// the one that is for mx.elsewhere.example, and good from 2020 to 2120 but the one that has expired
// in 2025: a year before any world begins.

char certificates_anchor[] = "-----BEGIN CERTIFICATE-----\n"
                             "MIIBIzCB1qADAgECAhRqgPFyVuh25jDjP8MZl0t990p9vDAFBgMrZXAwFzEVMBMG\n"
                             "A1UEAwwMcm9vdC5leGFtcGxlMCAXDTIwMDEwMTAwMDAwMFoYDzIxMjAwMTAxMDAw\n"
                             "MDAwWjAXMRUwEwYDVQQDDAxyb290LmV4YW1wbGUwKjAFBgMrZXADIQAM79Gecfhz\n"
                             "GILj8rN1tWyZGh9fxovxVi96I5JJI3JdT6MyMDAwDwYDVR0TAQH/BAUwAwEB/zAd\n"
                             "BgNVHQ4EFgQUAfmuB3KMsNHMAc3hRuxFcUri2U0wBQYDK2VwA0EAPccyPvqWgD2i\n"
                             "v3qlX9pvL6SRmdUEtSUA+NBJBnEoiQkprR6zK8sEuo+8q7y1Wh42uPK8XxM+j7VE\n"
                             "1OZuSswbBA==\n"
                             "-----END CERTIFICATE-----\n";

static const char key_pem[] = "-----BEGIN PRIVATE KEY-----\n"
                              "MC4CAQAwBQYDK2VwBCIEIKKneGfRqV1W6ate+lgkKv6FT2crf4sLXzHZlob3s4Sz\n"
                              "-----END PRIVATE KEY-----\n";

static const char *const chains[CERTIFICATE_COUNT] = {
    [CERTIFICATE_GOOD] = "-----BEGIN CERTIFICATE-----\n"
                         "MIIDTzCCAwGgAwIBAgIUbKmtB3maLH0DybObQqBwxoRCmW0wBQYDK2VwMBcxFTAT\n"
                         "BgNVBAMMDHJvb3QuZXhhbXBsZTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAw\n"
                         "MDAwMFowFzEVMBMGA1UEAwwMc2luay5leGFtcGxlMCowBQYDK2VwAyEAgkrb5tdF\n"
                         "b6cpD/BduD088i6qgrfXXDnmhyWrJwghGb6jggJbMIICVzCCAhMGA1UdEQSCAgow\n"
                         "ggIGgg8qLnNpdGUwLmV4YW1wbGWCDyouc2l0ZTEuZXhhbXBsZYIPKi5zaXRlMi5l\n"
                         "eGFtcGxlgg8qLnNpdGUzLmV4YW1wbGWCDyouc2l0ZTQuZXhhbXBsZYIPKi5zaXRl\n"
                         "NS5leGFtcGxlgg8qLnNpdGU2LmV4YW1wbGWCDyouc2l0ZTcuZXhhbXBsZYIPKi5z\n"
                         "aXRlOC5leGFtcGxlgg8qLnNpdGU5LmV4YW1wbGWCECouc2l0ZTEwLmV4YW1wbGWC\n"
                         "ECouc2l0ZTExLmV4YW1wbGWCECouc2l0ZTEyLmV4YW1wbGWCECouc2l0ZTEzLmV4\n"
                         "YW1wbGWCECouc2l0ZTE0LmV4YW1wbGWCECouc2l0ZTE1LmV4YW1wbGWCDWQwMDAx\n"
                         "LmV4YW1wbGWCDWQwMDAyLmV4YW1wbGWCDWQwMDAzLmV4YW1wbGWCDWQwMDA0LmV4\n"
                         "YW1wbGWCDWQwMDA1LmV4YW1wbGWCDWQwMDA2LmV4YW1wbGWCDWQwMDA3LmV4YW1w\n"
                         "bGWCDWQwMDA4LmV4YW1wbGWCDWQwMDA5LmV4YW1wbGWCDWQwMDEwLmV4YW1wbGWC\n"
                         "DWQwMDExLmV4YW1wbGWCDWQwMDEyLmV4YW1wbGWCDWQwMDEzLmV4YW1wbGWCDWQw\n"
                         "MDE0LmV4YW1wbGWCDWQwMDE1LmV4YW1wbGWCDWQwMDE2LmV4YW1wbGUwHQYDVR0O\n"
                         "BBYEFFHKF8FgL1AQAkxQzmgNjKeaWf6zMB8GA1UdIwQYMBaAFAH5rgdyjLDRzAHN\n"
                         "4UbsRXFK4tlNMAUGAytlcANBAKyi2X/H06DvHDaTjER08NtpHoZ8lKAP5sjZh9a8\n"
                         "3+Rq2uJEZW578OoEThxYJRjSSxQr+qvWX8VLQbHq3/S1Lw8=\n"
                         "-----END CERTIFICATE-----\n",
    [CERTIFICATE_MISNAMED] = "-----BEGIN CERTIFICATE-----\n"
                             "MIIBVTCCAQegAwIBAgIUZvIFzWEyrNXb4UAWpOurUJ8cbJowBQYDK2VwMBcxFTAT\n"
                             "BgNVBAMMDHJvb3QuZXhhbXBsZTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAw\n"
                             "MDAwMFowFzEVMBMGA1UEAwwMc2luay5leGFtcGxlMCowBQYDK2VwAyEAgkrb5tdF\n"
                             "b6cpD/BduD088i6qgrfXXDnmhyWrJwghGb6jYzBhMB8GA1UdEQQYMBaCFG14LmVs\n"
                             "c2V3aGVyZS5leGFtcGxlMB0GA1UdDgQWBBRRyhfBYC9QEAJMUM5oDYynmln+szAf\n"
                             "BgNVHSMEGDAWgBQB+a4Hcoyw0cwBzeFG7EVxSuLZTTAFBgMrZXADQQCVfr46Vh/5\n"
                             "PLhdbPbd/AWnC0vO0WtaIXJfQu2Jv2a9Ia44OC8x8AMS2ySWDS8VaV3dOrCO0Igx\n"
                             "GUP8oYPKc6AL\n"
                             "-----END CERTIFICATE-----\n",
    [CERTIFICATE_SELFSIGNED] = "-----BEGIN CERTIFICATE-----\n"
                               "MIIDLjCCAuCgAwIBAgIUNsVJV7RP1DGgkxuW0xCZa8s3tGQwBQYDK2VwMBcxFTAT\n"
                               "BgNVBAMMDHNpbmsuZXhhbXBsZTAgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAw\n"
                               "MDAwMFowFzEVMBMGA1UEAwwMc2luay5leGFtcGxlMCowBQYDK2VwAyEAgkrb5tdF\n"
                               "b6cpD/BduD088i6qgrfXXDnmhyWrJwghGb6jggI6MIICNjCCAhMGA1UdEQSCAgow\n"
                               "ggIGgg8qLnNpdGUwLmV4YW1wbGWCDyouc2l0ZTEuZXhhbXBsZYIPKi5zaXRlMi5l\n"
                               "eGFtcGxlgg8qLnNpdGUzLmV4YW1wbGWCDyouc2l0ZTQuZXhhbXBsZYIPKi5zaXRl\n"
                               "NS5leGFtcGxlgg8qLnNpdGU2LmV4YW1wbGWCDyouc2l0ZTcuZXhhbXBsZYIPKi5z\n"
                               "aXRlOC5leGFtcGxlgg8qLnNpdGU5LmV4YW1wbGWCECouc2l0ZTEwLmV4YW1wbGWC\n"
                               "ECouc2l0ZTExLmV4YW1wbGWCECouc2l0ZTEyLmV4YW1wbGWCECouc2l0ZTEzLmV4\n"
                               "YW1wbGWCECouc2l0ZTE0LmV4YW1wbGWCECouc2l0ZTE1LmV4YW1wbGWCDWQwMDAx\n"
                               "LmV4YW1wbGWCDWQwMDAyLmV4YW1wbGWCDWQwMDAzLmV4YW1wbGWCDWQwMDA0LmV4\n"
                               "YW1wbGWCDWQwMDA1LmV4YW1wbGWCDWQwMDA2LmV4YW1wbGWCDWQwMDA3LmV4YW1w\n"
                               "bGWCDWQwMDA4LmV4YW1wbGWCDWQwMDA5LmV4YW1wbGWCDWQwMDEwLmV4YW1wbGWC\n"
                               "DWQwMDExLmV4YW1wbGWCDWQwMDEyLmV4YW1wbGWCDWQwMDEzLmV4YW1wbGWCDWQw\n"
                               "MDE0LmV4YW1wbGWCDWQwMDE1LmV4YW1wbGWCDWQwMDE2LmV4YW1wbGUwHQYDVR0O\n"
                               "BBYEFFHKF8FgL1AQAkxQzmgNjKeaWf6zMAUGAytlcANBAIP6ApgUSJJBYQUlPVTp\n"
                               "N6Ewf18PF9QN3/nmUzTZiRoMobou92IyfXSrAb8Uv6Gh/ZjTtml6KrMxDON3qdIN\n"
                               "BAQ=\n"
                               "-----END CERTIFICATE-----\n",
    [CERTIFICATE_EXPIRED] = "-----BEGIN CERTIFICATE-----\n"
                            "MIIDTTCCAv+gAwIBAgIUaaAi+jOOW2Hc457h713xIYz0pRwwBQYDK2VwMBcxFTAT\n"
                            "BgNVBAMMDHJvb3QuZXhhbXBsZTAeFw0yMDAxMDEwMDAwMDBaFw0yNTAxMDEwMDAw\n"
                            "MDBaMBcxFTATBgNVBAMMDHNpbmsuZXhhbXBsZTAqMAUGAytlcAMhAIJK2+bXRW+n\n"
                            "KQ/wXbg9PPIuqoK311w55oclqycIIRm+o4ICWzCCAlcwggITBgNVHREEggIKMIIC\n"
                            "BoIPKi5zaXRlMC5leGFtcGxlgg8qLnNpdGUxLmV4YW1wbGWCDyouc2l0ZTIuZXhh\n"
                            "bXBsZYIPKi5zaXRlMy5leGFtcGxlgg8qLnNpdGU0LmV4YW1wbGWCDyouc2l0ZTUu\n"
                            "ZXhhbXBsZYIPKi5zaXRlNi5leGFtcGxlgg8qLnNpdGU3LmV4YW1wbGWCDyouc2l0\n"
                            "ZTguZXhhbXBsZYIPKi5zaXRlOS5leGFtcGxlghAqLnNpdGUxMC5leGFtcGxlghAq\n"
                            "LnNpdGUxMS5leGFtcGxlghAqLnNpdGUxMi5leGFtcGxlghAqLnNpdGUxMy5leGFt\n"
                            "cGxlghAqLnNpdGUxNC5leGFtcGxlghAqLnNpdGUxNS5leGFtcGxlgg1kMDAwMS5l\n"
                            "eGFtcGxlgg1kMDAwMi5leGFtcGxlgg1kMDAwMy5leGFtcGxlgg1kMDAwNC5leGFt\n"
                            "cGxlgg1kMDAwNS5leGFtcGxlgg1kMDAwNi5leGFtcGxlgg1kMDAwNy5leGFtcGxl\n"
                            "gg1kMDAwOC5leGFtcGxlgg1kMDAwOS5leGFtcGxlgg1kMDAxMC5leGFtcGxlgg1k\n"
                            "MDAxMS5leGFtcGxlgg1kMDAxMi5leGFtcGxlgg1kMDAxMy5leGFtcGxlgg1kMDAx\n"
                            "NC5leGFtcGxlgg1kMDAxNS5leGFtcGxlgg1kMDAxNi5leGFtcGxlMB0GA1UdDgQW\n"
                            "BBRRyhfBYC9QEAJMUM5oDYynmln+szAfBgNVHSMEGDAWgBQB+a4Hcoyw0cwBzeFG\n"
                            "7EVxSuLZTTAFBgMrZXADQQDFREE3Z7khiriCRq0heL/6XiaPm1yhwmkSbbHNKQjE\n"
                            "rGthQKj2mZ019gF8Gk/t9KUSqIb7l5Q/53eScr2pWikK\n"
                            "-----END CERTIFICATE-----\n",
};

static struct tls_context *contexts[CERTIFICATE_COUNT];

// Their tickets' keys are the same in each program.
void certificates_prepare(void)
{
    const char *why;
    tls_dice_init(0, NULL);
    for (int i = 0; i < CERTIFICATE_COUNT && !contexts[i]; i++) {
        const struct tls_server_options options = {
            .certificates = {{slice_of_text(chains[i]), slice_of_text(key_pem)}},
            .certificate_count = 1,
            .service = SLICE("sink.example"),
        };
        contexts[i] = tls_context_new_server(&options, &why);
        CHECK(contexts[i]);
    }
}

struct tls_context *certificates_context(enum plan_certificate which)
{
    CHECK(contexts[which]);
    return contexts[which];
}
