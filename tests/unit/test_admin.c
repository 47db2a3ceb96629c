/* The admin server, talked to over plain sockets on the loop that it lives on. */
#include "admin_helper.h"

/* ---- pages ---- */

static void healthz_names_the_shard_that_does_not_turn(void **state)
{
    struct fake *fake = begin(NULL);
    struct response response = get(fake, "/healthz");

    assert_int_equal(response.status, 200);
    assert_string_equal(response.body, "ok\n");
    forget(&response);

    fake->stuck[1] = true;
    response = get(fake, "/healthz");
    assert_int_equal(response.status, 503);
    assert_non_null(strstr(response.body, "shard 1"));
    assert_null(strstr(response.body, "shard 0"));
    forget(&response);
    end(fake);
}

static void readyz_is_503_until_ready(void **state)
{
    struct fake *fake = begin(NULL);

    fake->not_ready = true;
    assert_status(fake, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", 503);
    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    fake->not_ready = false;
    assert_status(fake, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    end(fake);
}

static void stats_is_json(void **state)
{
    struct fake *fake = begin(NULL);
    struct response response = get(fake, "/stats?pretty");
    json_t *json = json_loads(response.body, 0, NULL);

    assert_int_equal(response.status, 200);
    assert_non_null(strstr(response.head, "Content-Type: application/json\r\n"));
    assert_non_null(json);
    assert_int_equal(json_integer_value(json_object_get(json, "total_connections")), 3);
    assert_int_equal(json_array_size(json_object_get(json, "shards")), SHARDS);
    json_decref(json);
    forget(&response);
    end(fake);
}

static void metrics_is_prometheus_text(void **state)
{
    struct fake *fake = begin(NULL);
    struct response response = get(fake, "/metrics");

    assert_int_equal(response.status, 200);
    assert_non_null(strstr(response.head, "Content-Type: text/plain; version=0.0.4"));
    assert_non_null(strstr(response.body, "\nshardcast_connections 3\n"));
    forget(&response);
    end(fake);
}

static void head_has_the_length_but_no_body(void **state)
{
    struct fake *fake = begin(NULL);
    int fd = dial(fake);

    say(fd, "HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    struct response response = hear(fake, fd, true);
    assert_int_equal(response.status, 200);
    assert_int_equal(response.body_size, 3);
    forget(&response);

    /* Were there a body, it would be in front of this. */
    say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    response = hear(fake, fd, false);
    assert_int_equal(response.status, 200);
    forget(&response);
    close(fd);
    end(fake);
}

static void other_paths_are_404_and_other_methods_405(void **state)
{
    struct fake *fake = begin(NULL);

    assert_status(fake, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404);
    assert_status(fake, "GET /stats/ HTTP/1.1\r\nHost: x\r\n\r\n", 404);
    assert_status(fake, "GET /statsx HTTP/1.1\r\nHost: x\r\n\r\n", 404);
    assert_status(fake, "GET /%68ealthz HTTP/1.1\r\nHost: x\r\n\r\n", 404);
    assert_status(fake, "POST /nothing HTTP/1.1\r\nHost: x\r\n\r\n", 404);

    static const char *const methods[] = {"POST", "PUT", "DELETE", "OPTIONS", "TRACE", "FOO"};
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        char request[128];

        snprintf(request, sizeof(request), "%s /stats HTTP/1.1\r\nHost: x\r\n\r\n", methods[i]);
        struct response response = ask(fake, request);
        assert_int_equal(response.status, 405);
        assert_non_null(strstr(response.head, "\r\nAllow: GET, HEAD\r\n"));
        forget(&response);
    }
    end(fake);
}

static void a_token_guards_stats_and_metrics(void **state)
{
    struct fake *fake = begin("s3cret");
    struct response response = get(fake, "/stats");

    assert_int_equal(response.status, 401);
    assert_non_null(strstr(response.head, "\r\nWWW-Authenticate: Bearer\r\n"));
    forget(&response);
#define WITH(path, value) "GET " path " HTTP/1.1\r\nHost: x\r\nAuthorization: " value "\r\n\r\n"
    assert_status(fake, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 401);
    assert_status(fake, WITH("/stats", "Bearer s3cret"), 200);
    assert_status(fake, WITH("/metrics", "bearer s3cret"), 200);
    assert_status(fake, WITH("/metrics", "Bearer   s3cret"), 200);
    assert_status(fake, WITH("/stats", "Bearer s3cre"), 401);
    assert_status(fake, WITH("/stats", "Bearer s3cret2"), 401);
    assert_status(fake, WITH("/stats", "Bearer "), 401);
    assert_status(fake, WITH("/stats", "Basic s3cret"), 401);
    assert_status(fake, WITH("/stats", "s3cret"), 401);
    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    assert_status(fake, "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
#undef WITH
    end(fake);
}

static void what_is_no_request_is_refused(void **state)
{
    struct fake *fake = begin(NULL);

    assert_status(fake, "hello\r\n\r\n", 400);
    assert_status(fake, "GET /healthz HTTP/1.1\r\n\r\n", 400);
    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: x\r\n folded: y\r\n\r\n", 400);
    assert_status(fake, "GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n", 505);
    assert_status(fake, "\x16\x03\x01\x02\r\n\r\n", 400);
    end(fake);
}

static void an_upgrade_is_not_taken_up(void **state)
{
    struct fake *fake = begin(NULL);

    assert_status(fake,
                  "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\n"
                  "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
                  200);
    assert_status(
        fake,
        "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        200);
    end(fake);
}

/* ---- start and stop ---- */

static void stopping_cuts_what_is_under_way(void **state)
{
    struct fake *fake = begin(NULL);
    int idle = dial(fake), writing = dial(fake), waiting;

    grow_metrics(fake);
    say(writing, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    for (unsigned i = 0; i < 20; i++)
        turn(fake);
    waiting = dial(fake); /* not accepted yet */
    admin_stop(fake->admin);
    fake->admin = NULL;
    char byte;
    assert_true(recv(idle, &byte, 1, MSG_DONTWAIT) <= 0);
    close(idle);
    close(writing);
    close(waiting);
    end(fake);
}

static void an_address_that_is_taken_is_an_error(void **state)
{
    struct fake *fake = begin(NULL), other = {0};
    char error[ADMIN_ERROR_MAX], address[64];

    snprintf(address, sizeof(address), "127.0.0.1:%u", fake->port);
    assert_int_equal(uv_loop_init(&other.loop), 0);
    assert_int_equal(start(&other, address, NULL, error), ERR_SYS);
    assert_null(other.admin);
    assert_non_null(strstr(error, address));
    assert_non_null(strstr(error, "in use"));
    assert_int_equal(start(&other, "no-such-host.invalid:1", NULL, error), ERR_SYS);
    assert_int_equal(uv_loop_close(&other.loop), 0);
    end(fake);
}

static void it_starts_again_on_the_same_address(void **state)
{
    struct fake *fake = begin(NULL);
    char error[ADMIN_ERROR_MAX], address[64];

    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    snprintf(address, sizeof(address), "%s", admin_address(fake->admin));
    admin_stop(fake->admin);
    assert_int_equal(start(fake, address, NULL, error), 0);
    assert_string_equal(admin_address(fake->admin), address);
    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    end(fake);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(healthz_names_the_shard_that_does_not_turn),
        cmocka_unit_test(readyz_is_503_until_ready),
        cmocka_unit_test(stats_is_json),
        cmocka_unit_test(metrics_is_prometheus_text),
        cmocka_unit_test(head_has_the_length_but_no_body),
        cmocka_unit_test(other_paths_are_404_and_other_methods_405),
        cmocka_unit_test(a_token_guards_stats_and_metrics),
        cmocka_unit_test(what_is_no_request_is_refused),
        cmocka_unit_test(an_upgrade_is_not_taken_up),
        cmocka_unit_test(stopping_cuts_what_is_under_way),
        cmocka_unit_test(an_address_that_is_taken_is_an_error),
        cmocka_unit_test(it_starts_again_on_the_same_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
