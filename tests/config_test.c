// The configuration: what a file may say, what is wrong with one that is wrong, what holds
// without one, and that what is printed reads back as the same.
#include "engine/config.h"
#include "engine/io/network.h"
#include "tests/suite.h"

#include <stdlib.h>
#include <unistd.h>

#define FILE_PATH_TEMPLATE "/tmp/posthaste-config-test-XXXXXX"
#define TEXT_BYTES_MAX (1024 * 1024)

static const struct config_place root_place = {.is_root = true, .core_count = 4, .hostname = "mx"};
static const struct config_place plain_place = {
    .core_count = 2,
    .hostname = "Mail.Example.NET",
    .home = "/home/anna",
    .xdg_runtime_dir = "/run/user/1000",
};

// Loads `text` as a file. `why` loses the file's name: what is left is "LINE: reason".
static struct config *load(const char *text, const struct config_place *place, struct refusal *why)
{
    char path[] = FILE_PATH_TEMPLATE;
    int fd = mkstemp(path);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_FATAL(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    why->text[0] = '\0';
    struct config *c = config_load(path, place, why);
    unlink(path);
    size_t path_len = strlen(path);
    if (strncmp(why->text, path, path_len) == 0)
        memmove(why->text, why->text + path_len + 1, strlen(why->text + path_len));
    return c;
}

// What check prints for `text`; empty when it is refused.
static char *print(const char *text, const struct config_place *place)
{
    struct refusal why;
    struct buffer out;
    struct config *c = load(text, place, &why);
    buffer_init(&out, TEXT_BYTES_MAX);
    if (!c)
        printf("%s: %s\n", text, why.text);
    CU_ASSERT(!c || config_print(c, &out));
    CU_ASSERT(buffer_append_byte(&out, '\0'));
    config_free(c);
    return out.data;
}

static void says(const char *text, const char *want)
{
    char *got = print(text, &plain_place);
    if (!strstr(got, want))
        printf("%s\nwant %s\ngot %s\n", text, want, got);
    CU_ASSERT_PTR_NOT_NULL(strstr(got, want));
    free(got);
}

struct value_case {
    const char *text;
    const char *want; // a part of what is printed
};

static const struct value_case value_cases[] = {
    {"", "hostname = \"mail.example.net\"\n"},
    {"", "state = \"/home/anna/.local/state/posthaste\"\n"},
    {"", "workers = 2\n"},
    {"", "listen \"unix:/run/user/1000/posthaste/submit.sock\" {\n"},
    {"", "listen \"127.0.0.1:2525\" {\n"},
    {"", "    file = \"/home/anna/.local/state/posthaste/events.jsonl\"\n"},
    {"", "domain \"default\" {\n    via = \"mx\"\n    connections = 20\n"
         "    messages-per-connection = 100\n"},
    {"workers = 3 # why\n", "workers = 3\n"},
    {"workers = 3#why", "workers = 3\n"},
    {"state = /a//b // why\n", "state = \"/a//b\"\n"},
    {"// a\n/* b\n */ workers = 3", "workers = 3\n"},
    {"hostname = 'MAIL.b\xc3\xbc"
     "cher.example'\n",
     "hostname = \"mail.xn--bcher-kva.example\"\n"},
    {"state = \"/a \\\"b\\\" \\${c} \\\\d\"\n", "state = \"/a \\\"b\\\" \\${c} \\\\d\"\n"},
    {"listen \"[::1]:25\" { max-message = 2M }", "    max-message = \"2M\"\n"},
    {"listen \"127.0.0.1:0\" { max-message = \"65537\" }", "    max-message = \"65537\"\n"},
    {"listen \"127.0.0.1\" { }", "listen \"127.0.0.1:25\" {\n"},
    {"listen \"unix:/x\" { mode = 0600 }", "    mode = \"0600\"\n"},
    {"listen \"127.0.0.1:1\" { relay-from = {\"10.0.0.0/8\", \"::1\", \"fe80::/10\"} }",
     "    relay-from = {\"10.0.0.0/8\", \"::1\", \"fe80::/10\"}\n"},
    {"resolver { servers = {\"127.0.0.1:5300\", \"[::1]\"} }",
     "    servers = {\"127.0.0.1:5300\", \"[::1]:53\"}\n"},
    {"resolver { timeout = 1500ms }", "    timeout = \"1500ms\"\n"},
    {"resolver { servers = {\"127.0.0.1:5300\", \"[::1]\"} trusted = yes }", "    trusted = yes\n"},
    {"mta-sts { use = yes }", "\nmta-sts {\n    use = yes\n    port = 443\n}\n"},
    {"pickup /var/spool/p { }",
     "pickup \"/var/spool/p\" {\n    recipients-from-header = no\n    max-message = \"50M\"\n"
     "    max-recipients = 1000\n    bounces = \"message\"\n    verp = no\n"
     "    priority = \"normal\"\n}\n"},
    {"pickup \"/a b\" { recipients-from-header = yes max-message = 1G max-recipients = 50000 }",
     "pickup \"/a b\" {\n    recipients-from-header = yes\n    max-message = \"1G\"\n"
     "    max-recipients = 50000\n    bounces = \"message\"\n    verp = no\n"
     "    priority = \"normal\"\n}\n"},
    {"listen \"127.0.0.1:1\" { bounces = event verp = yes }",
     "    bounces = \"event\"\n    verp = yes\n"},
    {"delivery { delay-reports = all delay-report-after = 90m }",
     "    delay-reports = \"all\"\n    delay-report-after = \"90m\"\n"},
    {"pickup /a { priority = bulk }", "    priority = \"bulk\"\n"},
    {"listen \"127.0.0.1:1\" { priority = Transactional }", "    priority = \"transactional\"\n"},
    {"listen \"127.0.0.1:1\" { priority = \"-9\" }", "    priority = \"-9\"\n"},
    {"listen \"127.0.0.1:1\" { priority = -4 }", "    priority = \"bulk\"\n"},
    {"listen \"127.0.0.1:1\" { }", "    tls = \"none\"\n    auth = \"offer\"\n"},
    {"listen \"0.0.0.0:465\" { tls = implicit certificate = {/a.pem, /b.pem} key = {/a.key, /b.key} }\n"
     "users = /u",
     "    tls = \"implicit\"\n    certificate = {\"/a.pem\", \"/b.pem\"}\n"
     "    key = {\"/a.key\", \"/b.key\"}\n    auth = \"offer\"\n"},
    {"users = /u", "users = \"/u\"\n"},
    {"listen \"[::]:1\" { relay-from = {10.0.0.0/8} auth = none }", "    auth = \"none\"\n"},
    {"listen \"unix:/x\" { auth = require }\nusers = /u", "    auth = \"require\"\n"},
    {"delivery { private-targets = yes }", "    private-targets = yes\n"},
    {"delivery { port = 2600 }", "    port = 2600\n"},
    {"hostname = a.example\n", "    helo = \"a.example\"\n"},
    {"hostname = a.example\ndelivery { helo = \"out.a.example\" }",
     "    helo = \"out.a.example\"\n"},
    {"journal { memory = \"1536M\" }", "    memory = \"1536M\"\n"},
    {"events { file = \"stdout\" }", "    file = \"stdout\"\n"},
    {"delivery { rules = /dev/null }", "    rules = \"/dev/null\"\n"},
    {"", "\nsuppression {\n    for = \"90d\"\n    submission = \"refuse\"\n}\n"},
    {"suppression { add = {spam, bad-mailbox} for = 1d submission = drop }",
     "\nsuppression {\n    add = {\"bad-mailbox\", \"spam\"}\n    for = \"1d\"\n"
     "    submission = \"drop\"\n}\n"},
    {"domain \"default\" { retry-first = \"90s\" retry-max = 36h lifetime = \"1h30m\" }",
     "    retry-first = \"90s\"\n    retry-max = \"36h\"\n    retry-in-doubt = \"15m\"\n"
     "    lifetime = \"90m\"\n"},
    // A domain starts from the default one, wherever that stands.
    {"domain \"Example.ORG\" { messages-per-connection = 7 }\ndomain \"default\" { connections = 5 "
     "}",
     "domain \"example.org\" {\n    via = \"mx\"\n    connections = 5\n"
     "    messages-per-connection = 7\n"},
    {"domain \"a.example\" { rate = {\"100/s\", \"2000000/24h\"} connection-rate = 60/m }",
     "    rate = {\"100/s\", \"2000000/d\"}\n    connection-rate = {\"60/m\"}\n"},
    {"domain \"a.example\" { rate = {\"5/90s\", \"7/1500ms\"} }",
     "    rate = {\"5/90s\", \"7/1500ms\"}\n"},
    {"", "    rate = \"none\"\n    connection-rate = \"none\"\n"},
    // What a domain says takes the place of the default one's; \"none\" lifts it.
    {"domain \"default\" { rate = \"5/s\" }\ndomain \"a.example\" { connections = 3 }",
     "domain \"a.example\" {\n    via = \"mx\"\n    connections = 3\n"
     "    messages-per-connection = 100\n    recipients-per-transaction = 100\n"
     "    rate = {\"5/s\"}\n"},
    {"domain \"default\" { rate = \"5/s\" }\ndomain \"a.example\" { rate = 7/m }",
     "    recipients-per-transaction = 100\n    rate = {\"7/m\"}\n"},
    {"domain \"default\" { rate = \"5/s\" }\ndomain \"a.example\" { rate = none }",
     "    recipients-per-transaction = 100\n    rate = \"none\"\n"},
    {"site \"big\" { mx = {\"*.MX.example\", \"a.b\xc3\xbc"
     "cher.example\"} rate = 9/s }",
     "site \"big\" {\n    mx = {\"*.mx.example\", \"a.xn--bcher-kva.example\"}\n"
     "    connections = 10000\n    messages-per-connection = 1000000\n"
     "    recipients-per-transaction = 1000\n    rate = {\"9/s\"}\n"
     "    connection-rate = \"none\"\n    window = 32\n}\n"},
    {"", "    lifetime = \"5d\"\n    tls = \"may\"\n"},
    {"domain \"a.example\" { tls = verify }", "    tls = \"verify\"\n"},
    {"route \"r\" { host = a.example }", "    tls = \"domain\"\n    tls-implicit = no\n"},
    {"route \"r\" { host = a.example user = \"me@here\" password-file = /p tls-implicit = yes }",
     "    tls-implicit = yes\n    user = \"me@here\"\n    password-file = \"/p\"\n"
     "    password-needs = \"verified-tls\"\n"},
    {"tls { trusted = /etc/ca.pem }", "tls {\n    trusted = \"/etc/ca.pem\"\n}\n"},
    {"domain \"a.example\" { via = null }", "domain \"a.example\" {\n    via = \"null\"\n"},
    {"domain \"default\" { via = \"null\" }\ndomain \"a.example\" { }",
     "domain \"a.example\" {\n    via = \"null\"\n"},
    {"route \"relay\" { host = {\"Smtp.Relay.example:587\", backup.example} }",
     "route \"relay\" {\n    host = {\"smtp.relay.example:587\", \"backup.example\"}\n"
     "    lookup = \"address\"\n    tls = \"domain\"\n"},
    {"route \"r\" { host = a.example }",
     "    sources = \"none\"\n    connections = 10000\n"
     "    messages-per-connection = 1000000\n    recipients-per-transaction = 1000\n"
     "    rate = \"none\"\n    connection-rate = \"none\"\n    window = 32\n}\n"},
    {"route \"r\" { host = {a.example, b.example} lookup = mx }",
     "    host = {\"a.example\", \"b.example\"}\n    lookup = \"mx\"\n"},
    {"route \"r\" { host = a.example connections = 5 rate = {\"14/s\", \"50000/24h\"} }",
     "    connections = 5\n    messages-per-connection = 1000000\n"
     "    recipients-per-transaction = 1000\n    rate = {\"14/s\", \"50000/d\"}\n"},
    {"source \"a\" { address = {\"192.0.2.1\", \"2001:DB8::1\"} hostname = Out1.Example }",
     "source \"a\" {\n    address = {\"192.0.2.1\", \"2001:db8::1\"}\n"
     "    hostname = \"out1.example\"\n    connections = 10000\n"
     "    messages-per-connection = 1000000\n    rate = \"none\"\n"
     "    connection-rate = \"none\"\n}\n"},
    {"source b { address = \"192.0.2.1\" }\nsource a { address = \"192.0.2.2\" rate = 9/h }\n"
     "route \"r\" { host = a.example sources = {b, a} }",
     "    sources = {\"b\", \"a\"}\n"},
    // Domains inherit them, and may do without.
    {"source b { address = \"192.0.2.1\" }\ndomain \"default\" { sources = b }\n"
     "domain \"a.example\" { lifetime = 9h }",
     "    lifetime = \"9h\"\n    tls = \"may\"\n    sources = {\"b\"}\n"},
    {"source b { address = \"192.0.2.1\" }\ndomain \"default\" { sources = b }\n"
     "domain \"a.example\" { lifetime = 9h sources = none }",
     "    lifetime = \"9h\"\n    tls = \"may\"\n    sources = \"none\"\n"},
    {"route \"r\" { host = \"192.0.2.1\" }", "    host = {\"[192.0.2.1]\"}\n"},
    {"route \"r\" { host = {\"192.0.2.1:26\", \"[192.0.2.2]:27\", \"[192.0.2.3]\"} }",
     "    host = {\"[192.0.2.1]:26\", \"[192.0.2.2]:27\", \"[192.0.2.3]\"}\n"},
    {"route \"r\" { host = {\"2001:db8::1\", \"[2001:DB8::2]:27\", \"[IPv6:2001:db8::3]:28\"} }",
     "    host = {\"[IPv6:2001:db8::1]\", \"[IPv6:2001:db8::2]:27\", "
     "\"[IPv6:2001:db8::3]:28\"}\n"},
    {"route \"r\" { host = example.net lookup = mx }", "    lookup = \"mx\"\n"},
    {"route \"closed\" { fail = \"550 5.1.2 this domain is closed\" }",
     "    fail = \"550 5.1.2 this domain is closed\"\n"},
    {"route \"closed\" { fail = \"450 come back\" }", "    fail = \"450 4.0.0 come back\"\n"},
    {"domain \"a.example\" { via = relay }\nroute \"relay\" { host = b.example }",
     "domain \"a.example\" {\n    via = \"relay\"\n"},
    {"domain \"default\" { via = relay }\nroute \"relay\" { host = b.example }\n"
     "domain \"a.example\" { }",
     "domain \"a.example\" {\n    via = \"relay\"\n"},
    {"domain \"default\" { retry-growth = 1.5 }", "    retry-growth = \"1.5\"\n"},
    {"domain \"default\" { retry = {1m, 5m, \"1h30m\"} }",
     "    retry = {\"1m\", \"5m\", \"90m\"}\n"},
    // A list of its own stands in place of the one that it inherits; so does a first delay.
    {"domain \"default\" { retry = {1m, 5m} }\ndomain \"a.example\" { retry = {2h} }",
     "    retry = {\"2h\"}\n"},
    {"domain \"default\" { retry = {1m, 5m} }\ndomain \"a.example\" { retry-first = 2m }",
     "    retry-growth = 2\n    retry-first = \"2m\"\n"},
    {"domain \"default\" { via = null }\ndomain \"a.example\" { via = mx }",
     "domain \"a.example\" {\n    via = \"mx\"\n"},
    {"dkim \"A.example\" { selector = s1 key = \"/k/s1.pem\" }",
     "dkim \"a.example\" {\n    selector = {\"s1\"}\n    key = {\"/k/s1.pem\"}\n    subdomains = no\n"
     "    unsigned = \"defer\"\n    fields = {\"from\", \"to\", "},
    {"dkim \"a.example\" { selector = {s1, e1} key = {/k/s1, /k/e1} unsigned = send subdomains = yes }",
     "    selector = {\"s1\", \"e1\"}\n    key = {\"/k/s1\", \"/k/e1\"}\n    subdomains = yes\n"
     "    unsigned = \"send\"\n"},
    // A list that is given replaces the default one.
    {"dkim \"a.example\" { key = /k }\ndkim \"default\" { selector = s1 key = /d oversign = "
     "{From, To} fields = {\"X-One\"} }",
     "    selector = {\"s1\"}\n    key = {\"/k\"}\n    subdomains = no\n    unsigned = \"defer\"\n"
     "    fields = {\"x-one\"}\n    oversign = {\"from\", \"to\"}\n"},
};

static void test_values(void)
{
    for (size_t i = 0; i < sizeof(value_cases) / sizeof(value_cases[0]); i++)
        says(value_cases[i].text, value_cases[i].want);
}

struct error_case {
    const char *text;
    const char *want; // a part of "LINE: reason"
};

static const struct error_case error_cases[] = {
    {"worker = 1", "1: no such option 'worker'"},
    {"\n\nlisten \"127.0.0.1:1\" {\n  max-mesage = 1M\n}", "4: no such option 'max-mesage'"},
    {"workers = \"many\"", "1: workers: 'many' is not a whole number"},
    {"workers = -1", "1: workers: '-1' is not a whole number"},
    {"# one\nworkers = 0\n", "2: workers: '0' is outside 1 to 64"},
    {"workers = 65\n", "1: workers: '65' is outside 1 to 64"},
    {"workers = 4294967297\n", "1: workers: '4294967297' is not a whole number"},
    {"hostname = \"-\"", "1: hostname: '-' is not a domain name"},
    {"hostname = \"[127.0.0.1]\"", "1: hostname: '[127.0.0.1]' is not a domain name"},
    {"hostname = \"a\\nb\"", "1: hostname: the value holds a control character"},
    {"domain \"a.example\" {\nrate = {\"1/s\", \"fast\"} }",
     "2: rate: 'fast' is not a rate, such as \"100/s\""},
    {"site \"big\" { connections = 3 }", "1: site \"big\": mx says which hosts it has"},
    {"site \"big\" { mx = \"*\" }", "1: mx: '*' is not a domain name"},
    {"domain \"a.example\" { rate = 0/s }", "1: rate: '0/s' is outside one in 31 days"},
    {"domain \"a.example\" { rate = 1/99ms }", "1: rate: '1/99ms' is outside"},
    {"domain \"a.example\" { rate = 1/32d }", "1: rate: '1/32d' is outside"},
    {"domain \"a.example\" { rate = {1/s, 1/m, 1/h, 1/d, 1/7d} }", "1: rate: more than 4 rates"},
    {"user = \"a b\"", "1: user: 'a b' is not a user's name"},
    {"user = \"root\"", "1: user: the engine does not run as root"},
    {"user = \"\"", "1: user: a user's name is missing"},
    {"state = \"var\"", "1: state: 'var' is not an absolute path"},
    {"listen \"127.0.0.1:1\" { max-message = 50X }",
     "1: max-message: '50X' is not a size, such as \"50M\""},
    {"listen \"127.0.0.1:1\" {\nmax-message = 1k }", "2: max-message: '1k' is outside 64k to 1G"},
    {"listen \"127.0.0.1:1\" {\nmax-recipients = 99 }", "2: max-recipients: '99' is outside"},
    {"listen \"127.0.0.1:1\" {\n\nmode = 0888 }", "3: mode: '0888' is not a file mode"},
    {"listen \"127.0.0.1:1\" { mode = 01777 }", "1: mode: '01777' is not a file mode"},
    {"listen \"localhost:1\" {\n\n}", "3: 'localhost:1' is no address"},
    {"listen \"127.0.0.1:1\" { }\nlisten \"127.0.0.1:1\" { }", "2: found duplicate title"},
    {"listen \"127.0.0.1\" { }\nlisten \"127.0.0.1:25\" { }", "2: listen \"127.0.0.1:25\" stands"},
    {"listen \"127.0.0.1:1\" {\n relay-from = {\"10.0.0.0/8\",\n\"10.0.0.1/8\"} }",
     "3: relay-from: '10.0.0.1/8' is not a network"},
    {"listen \"127.0.0.1:1\" { tls = maybe }", "1: tls: 'maybe' is not known"},
    {"listen \"127.0.0.1:1\" { tls = starttls }",
     "1: listen \"127.0.0.1:1\": tls wants a certificate"},
    {"\nlisten \"127.0.0.1:1\" { tls = starttls certificate = /c }", "it takes a key for each"},
    {"listen \"127.0.0.1:1\" { certificate = /c key = /k }",
     "tls says what its certificate is for"},
    {"listen \"unix:/x\" { tls = implicit certificate = /c key = /k }", "it takes no tls"},
    {"listen \"127.0.0.1:1\" { auth = require }", "auth wants users"},
    {"users = /u\nlisten \"127.0.0.1:1\" { auth = require }",
     "2: listen \"127.0.0.1:1\": auth wants"},
    {"listen \"unix:/x\" { }\n\nlisten \"0.0.0.0:25\" { }",
     "3: listen \"0.0.0.0:25\": others reach"},
    {"listen \"192.0.2.1:25\" { tls = require certificate = /c key = /k }",
     "none of them may send"},
    {"users = /u\nlisten \"[::]:25\" { }", "none of them may send mail"},
    {"users = /u\nlisten \"[::]:25\" { auth = none tls = require certificate = /c key = /k }",
     "none of them may send mail"},
    {"listen \"0.0.0.0:25\" { relay-from = {10.0.0.0/8, \"::/0\"} }",
     "would let everybody send mail"},
    {"users = \"u\"", "1: users: 'u' is not an absolute path"},
    {"resolver { servers = {\"unix:/x\"} }", "1: servers: 'unix:/x' is not an address"},
    {"resolver { servers = {1.1.1.1,1.1.1.2,1.1.1.3,1.1.1.4,1.1.1.5,1.1.1.6,1.1.1.7,1.1.1.8,"
     "1.1.1.9} }",
     "1: servers: more than 8 addresses"},
    {"resolver {\n timeout = 3x\n}", "2: timeout: '3x' is not a duration, such as \"30s\""},
    {"resolver { timeout = 0 }", "1: timeout: '0' is outside 100ms to 1m"},
    {"delivery { private-targets = maybe }", "1: private-targets: 'maybe' is neither yes nor no"},
    {"delivery { port = 65536 }", "1: port: '65536' is outside 1 to 65535"},
    {"pickup \"spool\" { }", "1: pickup: 'spool' is not an absolute path"},
    {"pickup { }", "missing title for section 'pickup'"},
    {"pickup /a { }\npickup /a { }", "2: found duplicate title"},
    {"pickup /a { }\npickup /a// { }", "2: pickup \"/a\" stands here for the second time"},
    {"pickup /a {\nmax-recipients = 99 }", "2: max-recipients: '99' is outside 100 to 50000"},
    {"pickup /a {\nmax-message = 2G }", "2: max-message: '2G' is outside 64k to 1G"},
    {"listen \"127.0.0.1:1\" {\npriority = 10 }", "2: priority: '10' is not a priority"},
    {"pickup /a { recipients-from-header = maybe }",
     "1: recipients-from-header: 'maybe' is neither yes nor no"},
    {"pickup /1 {} pickup /2 {} pickup /3 {} pickup /4 {} pickup /5 {} pickup /6 {} pickup /7 {}\n"
     "pickup /8 {} pickup /9 {}",
     "2: more than 8 pickup directories"},
    {"delivery { rules = \"rules\" }", "1: rules: 'rules' is not an absolute path"},
    {"delivery { rules = /nowhere/rules }", "/nowhere/rules: No such file or directory"},
    {"delivery { rules = /proc/self/stat }", "/proc/self/stat:1: '"},
    {"suppression {\n add = {\"spam\",\n\"ham\"} }", "3: add: 'ham' is not known"},
    {"suppression { for = 1h }", "1: for: '1h' is outside 1d to 36500d"},
    {"events { file = \"log\" }", "1: file: 'log' is not an absolute path"},
    {"domain \"a..b\" { }", "1: 'a..b' is not a domain name"},
    {"domain \"default\" { retry-first = 2h }", "1: domain \"default\": retry-first is longer"},
    {"domain \"a.example\" { retry-max = 2s }", "1: domain \"a.example\": retry-first is longer"},
    {"domain \"a.example\" { }\ndomain \"A.example\" { }",
     "domain \"a.example\" has more than one"},
    {"domain \"a.example\" {\nvia = relay }",
     "2: via: 'relay' is not known: it is \"mx\" or \"null\""},
    {"domain \"a.example\" { via = NULL }", "1: via: 'NULL' is not known"},
    {"domain \"a.example\" { via = \"\" }", "1: via: '' is not known"},
    {"domain \"a.example\" { retry = {1m, soon} }", "1: retry: 'soon' is not a duration"},
    {"domain \"a.example\" { retry = {0s} }", "1: retry: '0s' is outside 1s to 7d"},
    {"domain \"a.example\" { retry-growth = 0.9 }", "retry-growth: '0.9' is outside 1 to 10"},
    {"domain \"a.example\" { retry-growth = 1.234 }", "retry-growth: '1.234' is not a factor"},
    {"domain \"a.example\" { retry-growth = x }", "retry-growth: 'x' is not a factor"},
    {"route \"r\" { host = \"a b\" }", "1: host: 'a b' is not a host"},
    {"route \"r\" { host = \"a.example:0\" }", "1: host: 'a.example:0' is not a host"},
    {"route \"r\" { host = \"[192.0.2.1\" }", "1: host: '[192.0.2.1' is not a host"},
    {"route \"r\" { host = \"[192.0.2.1]x\" }", "1: host: '[192.0.2.1]x' is not a host"},
    {"route \"r\" { host = \"unix:/x\" }", "1: host: 'unix:/x' is not a host"},
    {"route \"r\" {\n}", "2: route \"r\" has neither host nor fail"},
    {"route \"r\" { host = a.example fail = \"550 no\" }", "1: route \"r\" has hosts, and fails"},
    {"route \"r\" { host = a.example user = me }", "user and password-file go together"},
    {"route \"r\" { host = a.example password-file = /p }", "user and password-file go together"},
    {"route \"r\" { fail = \"550 no\" user = me password-file = /p }", "and with a host"},
    {"route \"r\" { host = a.example user = \"a\\nb\" password-file = /p }", "control character"},
    {"route \"r\" { host = a.example lookup = mx user = me password-file = /p }", "not looked up"},
    {"domain \"a.example\" { tls = domain }", "1: tls: 'domain' is not known"},
    {"route \"r\" { host = {a.example, \"192.0.2.1\"} lookup = mx }", "wants names of hosts"},
    {"route \"r\" { host = \"192.0.2.1\" lookup = mx }", "wants names of hosts"},
    {"source \"a\" {\n}", "2: source \"a\": address is missing"},
    {"source \"none\" { address = \"192.0.2.1\" }", "other than \"none\""},
    {"source \"a\" { address = \"192.0.2.1:25\" }", "is not an address without a port"},
    {"source \"a\" { address = \"unix:/x\" }", "is not an address without a port"},
    {"source \"a\" { address = {\"192.0.2.1\", \"192.0.2.2\"} }", "one IPv4 and one IPv6 address"},
    {"source \"a\" { address = {\"::1\", \"192.0.2.2\", \"::2\"} }", "more than 2 addresses"},
    {"domain \"default\" { sources = a }", "1: sources: 'a' is not known"},
    {"source a { address = \"192.0.2.1\" }\nroute r { host = b.example\n sources = {a, a} }",
     "sources: 'a' stands there twice"},
    {"route r { host = b.example sources = x }", "sources: 'x' is not known"},
    {"route r { host = b.example connections = 0 }", "'0' is outside 1 to 10000"},
    {"route \"r\" { fail = \"250 fine\" }", "1: fail: '250 fine' is not a reply"},
    {"route \"r\" { fail = \"550\" }", "1: fail: '550' is not a reply"},
    {"route \"null\" { host = a.example }", "this name has a meaning of its own"},
    {"route \"a\" { host = a.example }\nroute \"a\" { host = b.example }",
     "2: found duplicate title"},
    {"domain { }", "1: missing title for section 'domain'"},
    {"dkim \"a..b\" { selector = s key = /k }", "1: 'a..b' is not a domain name"},
    {"dkim \"a.example\" { }", "1: dkim \"a.example\": it takes a selector for each key, and one"},
    {"dkim \"a.example\" { selector = s }", "1: dkim \"a.example\": it takes a selector for each"},
    {"dkim \"a.example\" { selector = {s, t} key = /k }", "it takes a selector for each key"},
    {"dkim \"a.example\" { selector = {s, s} key = {/k, /l} }",
     "two keys cannot have the same selector"},
    {"dkim \"a.example\" { selector = \"a b\" key = /k }",
     "1: selector: 'a b' is not a domain name"},
    {"dkim \"a.example\" { selector = s key = k }", "1: key: 'k' is not an absolute path"},
    {"dkim \"a.example\" { selector = s key = {/1, /2, /3, /4, /5} }",
     "1: key: more than 4 of them"},
    {"dkim \"a.example\" {\nfields = {\"a b\"} }",
     "2: fields: 'a b' is not the name of a header field"},
    {"dkim \"a.example\" { unsigned = never }",
     "1: unsigned: 'never' is not known: it is \"defer\" or \"send\""},
    {"dkim \"a.example\" { selector = s key = /k }\ndkim \"A.example\" { selector = s key = /k }",
     "dkim \"a.example\" has more than one section"},
    {"dkim { }", "1: missing title for section 'dkim'"},
    // Comments must not disturb the count of lines.
    {"# one\n\n# two\n#three\nworkers = 0", "5: workers"},
    {"// one\n//two\nworkers = 0", "3: workers"},
    {"/* one\n * two\n */ workers = 0", "3: workers"},
    {"state = '/# \\' no comment' # one\n/**/ workers = 0", "2: workers"},
    {"state = \"// \\\" /* no comment\"\nworkers = 0", "2: workers"},
    {"\n/* never ends", "2: a comment begins here that never ends"},
    {"\n\nstate = \"/never ends", "3: a quote begins here that never ends"},
    {"state = '/a\\' \n", "1: a quote begins here that never ends"},
    {"\nresolver {\n timeout = 1s # }\n", "2: a brace is opened here that never ends"},
    {"workers", "premature end of file"},
    {"workers = ", "premature end of file"},
    {"}", "1: unexpected closing brace"},
};

static void test_errors(void)
{
    for (size_t i = 0; i < sizeof(error_cases) / sizeof(error_cases[0]); i++) {
        struct refusal why;
        const char *got = why.text;
        struct config *c = load(error_cases[i].text, &plain_place, &why);
        if (c || !strstr(got, error_cases[i].want))
            printf("%s\nwant %s\ngot  %s\n", error_cases[i].text, error_cases[i].want, got);
        CU_ASSERT_PTR_NULL(c);
        CU_ASSERT_PTR_NOT_NULL(strstr(got, error_cases[i].want));
        CU_ASSERT_PTR_NULL(strchr(got, '\n'));
        config_free(c);
    }
}

static void test_files_that_are_none(void)
{
    static const char *const paths[][2] = {
        {"/nowhere/posthaste.conf", "/nowhere/posthaste.conf: No such file or directory"},
        {"/tmp", "/tmp: Is a directory"},
        {"/proc/self/cmdline", "/proc/self/cmdline: holds a NUL byte: this is not a text file"},
        {"/dev/zero", "/dev/zero: too large"},
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct refusal why = {""};
        CU_ASSERT_PTR_NULL(config_load(paths[i][0], &plain_place, &why));
        CU_ASSERT_STRING_EQUAL(why.text, paths[i][1]);
    }
}

// Printed, read and printed again, all stays what it was, and nothing is left for the place to
// fill in.
static void test_printed_reads_back(void)
{
    static const struct config_place other_place = {.core_count = 7, .hostname = "x", .home = "/x"};
    for (size_t i = 0; i < sizeof(value_cases) / sizeof(value_cases[0]); i++) {
        char *once = print(value_cases[i].text, &plain_place);
        char *again = print(once, &other_place);
        CU_ASSERT_STRING_EQUAL(once, again);
        free(once);
        free(again);
    }
}

static struct config *defaults(const struct config_place *place, const char *want_error)
{
    struct refusal why = {""};
    struct config *c = config_load(NULL, place, &why);
    if (want_error) {
        CU_ASSERT_PTR_NULL(c);
        CU_ASSERT_PTR_NOT_NULL(strstr(why.text, want_error));
    } else {
        CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    }
    return c;
}

static void listens_on(const struct config *c, uint32_t i, const char *want)
{
    char text[IO_ADDRESS_TEXT_BYTES];
    CU_ASSERT_FATAL(i < c->listener_count);
    CU_ASSERT_STRING_EQUAL(io_address_print(&c->listeners[i].address, text), want);
}

static void test_places(void)
{
    struct config *c = defaults(&root_place, NULL);
    CU_ASSERT_STRING_EQUAL(c->user, "posthaste");
    CU_ASSERT_STRING_EQUAL(c->state_dir, "/var/lib/posthaste");
    CU_ASSERT_STRING_EQUAL(c->hostname, "mx");
    CU_ASSERT_EQUAL(c->worker_count, 4);
    listens_on(c, 0, "unix:/run/posthaste/submit.sock");
    listens_on(c, 1, "127.0.0.1:2525");
    config_free(c);

    struct config_place place = plain_place;
    c = defaults(&place, NULL);
    CU_ASSERT_STRING_EQUAL(c->user, "");
    listens_on(c, 0, "unix:/run/user/1000/posthaste/submit.sock");
    config_free(c);

    strcpy(place.xdg_state_home, "/state");
    strcpy(place.hostname, "not a name");
    place.xdg_runtime_dir[0] = '\0';
    place.core_count = 1000;
    c = defaults(&place, NULL);
    CU_ASSERT_STRING_EQUAL(c->state_dir, "/state/posthaste");
    CU_ASSERT_STRING_EQUAL(c->hostname, "localhost");
    CU_ASSERT_EQUAL(c->worker_count, CONFIG_WORKERS_MAX);
    listens_on(c, 0, "unix:/state/posthaste/run/submit.sock");
    config_free(c);

    memset(place.xdg_state_home, 'x', 200);
    place.xdg_state_home[0] = '/';
    defaults(&place, "the path of the usual socket is too long");
    place.xdg_state_home[0] = place.home[0] = '\0';
    defaults(&place, "neither HOME nor XDG_STATE_HOME");
}

static void test_limits_of_domains(void)
{
    struct refusal why;
    struct config *c = load("domain \"b.example\" { connections = 2 }\n"
                            "domain \"a.example\" { connections = 1 }\n"
                            "domain \"default\" { connections = 9 }\n",
                            &plain_place, &why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT_EQUAL(c->limits.rule_count, 2);
    CU_ASSERT_EQUAL(limits_of_domain(&c->limits, SLICE("a.example"))->connections, 1);
    CU_ASSERT_EQUAL(limits_of_domain(&c->limits, SLICE("b.example"))->connections, 2);
    CU_ASSERT_EQUAL(limits_of_domain(&c->limits, SLICE("c.example"))->connections, 9);
    config_free(c);
}

// What config_place_now() finds must be a place that works. Paths that are not absolute count as
// not given (XDG Base Directory Specification).
static void test_this_place(void)
{
    struct config_place place;
    struct refusal why = {""};
    setenv("HOME", "/home/of/the/test", 1);
    setenv("XDG_STATE_HOME", "state", 1);
    setenv("XDG_RUNTIME_DIR", "", 1);
    config_place_now(&place);
    CU_ASSERT_STRING_EQUAL(place.home, "/home/of/the/test");
    CU_ASSERT_STRING_EQUAL(place.xdg_state_home, "");
    CU_ASSERT_STRING_EQUAL(place.xdg_runtime_dir, "");
    struct config *c = config_load(NULL, &place, &why);
    CU_ASSERT_PTR_NOT_NULL_FATAL(c);
    CU_ASSERT(c->worker_count >= 1);
    CU_ASSERT(c->state_dir[0] == '/');
    config_free(c);
}

struct network_case {
    const char *network;
    const char *address;
    bool want;
};

static const struct network_case network_cases[] = {
    {"10.0.0.0/8", "10.255.255.255", true},
    {"10.0.0.0/8", "11.0.0.0", false},
    {"10.128.0.0/9", "10.128.0.0", true},
    {"10.128.0.0/9", "10.127.255.255", false},
    {"0.0.0.0/0", "192.0.2.1", true},
    {"192.0.2.1", "192.0.2.1", true},
    {"192.0.2.1", "192.0.2.2", false},
    {"10.0.0.0/8", "[::ffff:10.1.2.3]", true},
    {"::/0", "10.1.2.3", false},
    {"2001:db8::/33", "[2001:db8:7fff::1]", true},
    {"2001:db8::/33", "[2001:db8:8000::1]", false},
    {"::1", "[::1]", true},
    {"10.0.0.0/8", "unix:/run/x", false},
};

static void test_networks(void)
{
    for (size_t i = 0; i < sizeof(network_cases) / sizeof(network_cases[0]); i++) {
        const struct network_case *it = &network_cases[i];
        struct io_network n;
        struct io_address a;
        CU_ASSERT_FATAL(io_network_parse(slice_of_text(it->network), &n));
        CU_ASSERT_FATAL(io_address_parse(slice_of_text(it->address), 25, &a));
        CU_ASSERT_EQUAL(io_network_holds(&n, &a), it->want);
    }
    static const char *const wrong[] = {"",           "x",      "10.0.0.0/33", "10.0.0.0/",
                                        "10.1.0.0/8", "::/129", "10.0.0",      "10.0.0.0/8/8"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct io_network n;
        CU_ASSERT_FALSE(io_network_parse(slice_of_text(wrong[i]), &n));
    }
}

static const struct suite_test tests[] = {
    {"values", test_values},
    {"errors, with their line", test_errors},
    {"files that are none", test_files_that_are_none},
    {"what is printed reads back", test_printed_reads_back},
    {"defaults by place", test_places},
    {"limits of domains", test_limits_of_domains},
    {"this place", test_this_place},
    {"networks", test_networks},
};
SUITE_MAIN("config", tests)
