// dns/sts_fetch.c: a policy's text, by libcurl.
#include "dns/sts_fetch.h"

#include "engine/base/check.h"

#include <curl/curl.h>
#include <stdatomic.h>
#include <stdio.h>

#define URL_BYTES_MAX (DNS_NAME_BYTES_MAX + 64)
#define PLACE_BYTES_MAX (DNS_NAME_BYTES_MAX + 64 + STS_FETCH_ADDRESSES_MAX * 64)
#define HTTP_OK 200

bool sts_fetch_prepare(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *argument)
{
    struct sts_fetch *f = argument;
    size_t len = size * count;
    return buffer_append(&f->text, slice_make(bytes, len)) ? len : 0; // which ends it
}

static int on_progress(void *argument, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const struct sts_fetch *f = argument;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load_explicit(f->cancelled, memory_order_relaxed);
}

// "mta-sts.example.org:443:192.0.2.1,[2001:db8::1]": libcurl looks up nothing by itself.
static struct curl_slist *place_of(const struct sts_fetch *f)
{
    char place[PLACE_BYTES_MAX], address[IO_ADDRESS_TEXT_BYTES];
    int at = snprintf(place, sizeof(place), "mta-sts.%s:%u:", f->domain, f->port);
    for (uint32_t i = 0; i < f->address_count; i++) {
        bool is_v6 = f->addresses[i].as.any.sa_family == AF_INET6;
        at += snprintf(place + at, sizeof(place) - (size_t)at, is_v6 ? "%s[%s]" : "%s%s",
                       i ? "," : "", io_address_print_host(&f->addresses[i], address));
        CHECK((size_t)at < sizeof(place));
    }
    return curl_slist_append(NULL, place);
}

static bool set_up(CURL *c, struct sts_fetch *f, const struct curl_slist *place, char *why)
{
    char url[URL_BYTES_MAX];
    snprintf(url, sizeof(url), "https://mta-sts.%s:%u/.well-known/mta-sts.txt", f->domain, f->port);
    CURLcode bad = curl_easy_setopt(c, CURLOPT_URL, url);
    bad |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
    bad |= curl_easy_setopt(c, CURLOPT_RESOLVE, place);
    bad |= curl_easy_setopt(c, CURLOPT_PROXY, ""); // whatever the environment says
    bad |= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
    bad |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(STS_FETCH_US_MAX / 1000));
    bad |= curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
    bad |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
    if (f->trusted_file)
        bad |= curl_easy_setopt(c, CURLOPT_CAINFO, f->trusted_file);
    bad |= curl_easy_setopt(c, CURLOPT_MAXFILESIZE, (long)STS_TEXT_BYTES_MAX);
    bad |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_bytes);
    bad |= curl_easy_setopt(c, CURLOPT_WRITEDATA, f);
    bad |= curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
    bad |= curl_easy_setopt(c, CURLOPT_XFERINFODATA, f);
    bad |= curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
    bad |= curl_easy_setopt(c, CURLOPT_ERRORBUFFER, why);
    return bad == CURLE_OK;
}

static void fail(struct sts_fetch *f, enum sts_trouble trouble, const char *why)
{
    f->trouble = trouble;
    snprintf(f->why, sizeof(f->why), "%s", why);
}

static bool is_plain_text(const char *type)
{
    struct slice rest = slice_of_text(type ? type : "");
    return slice_equal_nocase(slice_trim(slice_cut(&rest, ';')), SLICE("text/plain"));
}

static void judge(CURL *c, struct sts_fetch *f, CURLcode code, const char *why)
{
    long status = 0;
    const char *type = NULL;
    bool is_certificate = code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_ISSUER_ERROR;
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
    if (is_certificate)
        fail(f, STS_TROUBLE_CERTIFICATE, why[0] ? why : curl_easy_strerror(code));
    else if (code != CURLE_OK)
        fail(f, STS_TROUBLE_FETCH, why[0] ? why : curl_easy_strerror(code));
    else if (status != HTTP_OK)
        fail(f, STS_TROUBLE_FETCH, "the answer is no 200");
    else if (!is_plain_text(type))
        fail(f, STS_TROUBLE_INVALID, "it is not of type text/plain");
}

void sts_fetch_get(struct sts_fetch *f)
{
    char why[CURL_ERROR_SIZE] = "";
    CURL *c = curl_easy_init();
    struct curl_slist *place = place_of(f);
    f->trouble = STS_NO_TROUBLE;
    buffer_init(&f->text, STS_TEXT_BYTES_MAX);
    if (c && place && set_up(c, f, place, why))
        judge(c, f, curl_easy_perform(c), why);
    else
        fail(f, STS_TROUBLE_FETCH, "no memory");
    curl_easy_cleanup(c);
    curl_slist_free_all(place);
}
