/* Connections to the admin server: what they send and read in one piece or in many, or not at all.
 */
#include "admin_helper.h"

/* ---- connections ---- */

static void a_connection_serves_many_requests(void **state)
{
    struct fake *fake = begin(NULL);
    int fd = dial(fake);

    for (unsigned i = 0; i < 20; i++) {
        say(fd, "GET /stats HTTP/1.1\r\nHost: x\r\n\r\n");
        struct response response = hear(fake, fd, false);
        assert_int_equal(response.status, 200);
        forget(&response);
    }
    say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    struct response response = hear(fake, fd, false);
    assert_non_null(strstr(response.head, "Connection: close\r\n"));
    forget(&response);
    assert_closes(fake, fd);
    close(fd);
    end(fake);
}

static void requests_may_come_in_one_piece_or_in_many(void **state)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    struct fake *fake = begin(NULL);
    int fd = dial(fake);

    for (const char *at = request; *at; at++) {
        assert_int_equal(send(fd, at, 1, MSG_NOSIGNAL), 1);
        turn(fake);
    }
    struct response response = hear(fake, fd, false);
    assert_int_equal(response.status, 200);
    forget(&response);

    say(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"
            "GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n");
    static const int statuses[] = {200, 404, 200};
    for (unsigned i = 0; i < 3; i++) {
        response = hear(fake, fd, false);
        assert_int_equal(response.status, statuses[i]);
        forget(&response);
    }
    close(fd);
    end(fake);
}

static void http_1_0_closes_unless_asked(void **state)
{
    struct fake *fake = begin(NULL);
    int fd = dial(fake);

    say(fd, "GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    struct response response = hear(fake, fd, false);
    assert_non_null(strstr(response.head, "Connection: keep-alive\r\n"));
    forget(&response);
    say(fd, "GET /healthz HTTP/1.0\r\n\r\n");
    response = hear(fake, fd, false);
    assert_int_equal(response.status, 200);
    forget(&response);
    assert_closes(fake, fd);
    close(fd);
    end(fake);
}

static void a_half_closed_client_gets_its_answer(void **state)
{
    struct fake *fake = begin(NULL);
    int fd = dial(fake);

    say(fd, "GET /stats HTTP/1.1\r\nHost: x\r\n\r\n");
    shutdown(fd, SHUT_WR);
    struct response response = hear(fake, fd, false);
    assert_int_equal(response.status, 200);
    forget(&response);
    assert_closes(fake, fd);
    close(fd);
    end(fake);
}

static void a_body_is_refused_and_not_taken_for_a_request(void **state)
{
    struct fake *fake = begin(NULL);
    int fd = dial(fake);

    say(fd, "POST /stats HTTP/1.1\r\nHost: x\r\nContent-Length: 34\r\n\r\n"
            "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    struct response response = hear(fake, fd, false);
    assert_int_equal(response.status, 405);
    forget(&response);
    assert_closes(fake, fd);
    close(fd);
    end(fake);
}

static void a_head_that_is_too_large_is_431(void **state)
{
    struct fake *fake = begin(NULL);
    char line[1024];
    int fd = dial(fake);

    memset(line, 'a', sizeof(line));
    memcpy(line, "x: ", 3);
    memcpy(line + sizeof(line) - 3, "\r\n", 3);
    say(fd, "GET /stats HTTP/1.1\r\n");
    for (unsigned i = 0; i < 40; i++)
        say(fd, line);
    struct response response = hear(fake, fd, false);
    assert_int_equal(response.status, 431);
    forget(&response);
    close(fd);
    end(fake);
}

static void a_slow_reader_gets_all_of_a_large_response(void **state)
{
    struct fake *fake = begin(NULL);
    int fd = dial(fake);

    grow_metrics(fake);
    say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    for (unsigned i = 0; i < 100; i++)
        turn(fake);
    struct response response = hear(fake, fd, false);
    assert_int_equal(response.status, 200);
    assert_true(response.body_size > 8000000);
    assert_non_null(strstr(response.body, "\nshardcast_delivery_seconds_count 0\n"));
    forget(&response);
    response = hear(fake, fd, false);
    assert_int_equal(response.status, 200);
    assert_string_equal(response.body, "ok\n");
    forget(&response);
    close(fd);
    end(fake);
}

static void on_time(uv_timer_t *timer)
{
}

/* Was a busy loop: the bytes behind the request kept the socket readable, and nobody read them. */
static void who_does_not_read_makes_no_work(void **state)
{
    struct fake *fake = begin(NULL);
    struct timespec before, after;
    int fd = dial(fake);

    grow_metrics(fake);
    say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    for (unsigned i = 0; i < 200; i++)
        turn(fake);
    say(fd, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    for (double until = now() + 0.3; now() < until;) {
        uv_timer_t timer;

        /* Waits in poll as the engine does, at most 50 ms. */
        uv_timer_init(&fake->loop, &timer);
        uv_timer_start(&timer, on_time, 50, 0);
        uv_run(&fake->loop, UV_RUN_ONCE);
        uv_close((uv_handle_t *)&timer, NULL);
        uv_run(&fake->loop, UV_RUN_NOWAIT);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double spent =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    assert_true(spent < 0.1);
    close(fd);
    end(fake);
}

static void idle_connections_make_room_for_a_health_check(void **state)
{
    struct fake *fake = begin(NULL);
    int idle[ADMIN_CONNECTIONS_MAX + 20];

    for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
        idle[i] = dial(fake);
    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    for (size_t i = 0; i < sizeof(idle) / sizeof(idle[0]); i++)
        close(idle[i]);
    assert_status(fake, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200);
    end(fake);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_connection_serves_many_requests),
        cmocka_unit_test(requests_may_come_in_one_piece_or_in_many),
        cmocka_unit_test(http_1_0_closes_unless_asked),
        cmocka_unit_test(a_half_closed_client_gets_its_answer),
        cmocka_unit_test(a_body_is_refused_and_not_taken_for_a_request),
        cmocka_unit_test(a_head_that_is_too_large_is_431),
        cmocka_unit_test(a_slow_reader_gets_all_of_a_large_response),
        cmocka_unit_test(who_does_not_read_makes_no_work),
        cmocka_unit_test(idle_connections_make_room_for_a_health_check),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
