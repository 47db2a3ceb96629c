/* A shard's group table: its own members of each group, and the group's logs.
 *
 * One shard's own. The members of a group that get their messages in the same form are together: a
 * `struct group` is one form of a group. The raw form is the one in the table; the others hang from
 * it, made when the first member asks for them. A form has two logs: one for what is critical, from
 * which a member takes first at a frame's end, and one for the rest. Members that keep up are an
 * entry in an array and nothing else; a flush writes the same bytes to each of them. A member that
 * is behind has a `lag`. */
#ifndef SHARDCAST_SHARDS_GROUP_H
#define SHARDCAST_SHARDS_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/refusal.h"
#include "proto/sdk.h"
#include "shards/group_log.h"
#include "shards/records.h"
#include "shards/table.h"

struct shard;
struct connection;
struct namespace_settings;

/* How a group's messages are encoded for a member. */
enum group_form {
    FORM_RAW,
    FORM_JSON,
    FORM_JSON_JOINS, /* of those who want to be told who joins and leaves, too */
    FORM_PROTOBUF,
    FORM_PROTOBUF_JOINS
};

/* Of the forms that have one. */
static inline enum sdk_format form_format(enum group_form form)
{
    return form == FORM_JSON || form == FORM_JSON_JOINS ? SDK_JSON : SDK_PROTOBUF;
}

static inline bool form_wants_joins(enum group_form form)
{
    return form == FORM_JSON_JOINS || form == FORM_PROTOBUF_JOINS;
}

enum log_kind { LOG_CRITICAL, LOG_NORMAL, LOG_KINDS };

/* Why a flush must not write to an entry. 0: it may. */
enum entry_flag {
    ENTRY_BLOCKED = 1, /* the socket takes no more, or the connection is not open yet */
    ENTRY_BEHIND = 2,  /* has a lag of its own, though the socket may take more */
    ENTRY_JOINING = 4, /* in by the critical queue only: gets nothing of the other log yet */
    ENTRY_HELD = 8     /* has not been told yet that it has joined: gets nothing before that */
};

struct entry {
    struct member *member;
    int fd;
    uint32_t flags; /* enum entry_flag */
};

struct group {
    struct named named; /* first */
    const struct namespace_settings *settings;
    struct group *raw;       /* the form in the table; itself there */
    struct group *next_form; /* of the same group; NULL: the last */
    struct entry *entries;
    uint32_t count, room;  /* of entries */
    uint32_t joined;       /* entries that get both logs: those without ENTRY_JOINING */
    uint32_t positioned;   /* entries whose member has a position */
    uint32_t joining;      /* joins in any form that the home has not answered; the raw form's */
    uint32_t lags;         /* members behind, those that left and still get their rest included */
    uint8_t category;      /* enum group_category */
    uint8_t form;          /* enum group_form */
    uint8_t newest;        /* enum log_kind: of the newest message */
    bool dirty[LOG_KINDS]; /* in the table's list of logs to flush */
    struct group *next_dirty[LOG_KINDS];
    uint64_t ticket;        /* of its normal log's place in that list */
    uint64_t newest_offset; /* a critical message is newer than what it has overtaken */
    struct {
        uint32_t next; /* entry to go on with; 0: no flush is under way */
        uint64_t bytes, frames;
    } flush; /* a flush of the normal log that made way for something else */
    struct group_log logs[LOG_KINDS];
    char name[];
};

/* Where a member stands in one log of its group, once it is behind. */
struct lag {
    struct log_cursor cursor;
    uint64_t limit;          /* position where it ends; UINT64_MAX: goes on */
    uint64_t limit_sequence; /* of the frame at `limit` */
    struct log_range *skips; /* messages that it must not get, in order; allocated */
    uint64_t skipped_bytes;  /* of these: they are no backlog */
    uint64_t skipped;        /* how many messages */
    uint32_t skip_first, skip_end, skip_room;
};

enum member_state {
    MEMBER_NONE,     /* not asked for yet, or gone */
    MEMBER_JOINING,  /* the home has not answered */
    MEMBER_CRITICAL, /* it has, by the critical queue */
    MEMBER_JOINED,
    MEMBER_LEAVING /* no member any more, but gets the rest of what it was behind */
};

/* One connection's membership of one group. Lives in the connection. */
struct member {
    struct group *group;
    struct connection *connection;
    uint32_t index;              /* in the group's entries, while CRITICAL or JOINED */
    uint8_t state;               /* enum member_state */
    bool held;                   /* ENTRY_HELD; its lags stay where they are */
    bool positioned;             /* sees every message or is closed 3010 */
    struct lag *lags[LOG_KINDS]; /* NULL: keeps up */
};

/* Messages whose delivery time is noted, of one flush. */
#define READ_TIMES_MAX 4096

/* Groups with something to flush, oldest first. */
struct dirty_list {
    struct group *first, *last;
};

struct group_table {
    struct shard *shard;
    struct table table;
    struct dirty_list dirty[LOG_KINDS];
    struct segment_pool segments;
    uint64_t tickets;     /* given out */
    uint64_t sweep;       /* the last ticket that the sweep under way is about; 0: there is none */
    uint64_t *read_times; /* of the messages appended and not flushed yet, in ns */
    uint32_t read_count;  /* of these */
    uint32_t sweep_count; /* of these, appended before the sweep began */
};

int group_table_init(struct group_table *groups, struct shard *shard) MUST_CHECK;
void group_table_free(struct group_table *groups);

/* What a member wants. */
struct join_wish {
    enum group_form form;
    bool held;                     /* until member_release() */
    bool positioned;               /* where there is a history: every message or 3010 */
    struct name_view user;         /* who it is, where that is known */
    struct join_recovery recovery; /* of the past */
};

/* Asks the group's home to count the member in. ERR_NOMEM: nothing was asked. */
int group_join(struct group_table *groups, struct member *member, const struct named *name,
               uint32_t member_index, const struct join_wish *wish) MUST_CHECK;

/* The home's answer. The connection may be gone by now: then its place is given back. Takes over
 * the record's range. */
void group_joined(struct group_table *groups, const struct record_joined *joined);

/* A message for this shard's members. Takes over the record's payload. */
void group_deliver(struct group_table *groups, const struct record_deliver *deliver);

/* A member of the group has joined or left: tells those who want to know. */
void group_notice(struct group_table *groups, const struct record_notice *notice);

/* All members of the group are to be closed behind what they have yet to get. Returns how many. */
uint64_t group_close(struct group_table *groups, const struct record_close *close);

/* Writes what is new to all members that keep up. */
void group_flush_all(struct group_table *groups);

/* Likewise, but only what is critical. */
void group_flush_critical(struct group_table *groups);

/* Likewise, but makes way when something else is waiting for the shard: what is critical is written
 * in any case, of the rest what there was when the sweep began, slice by slice. True: the sweep is
 * done. False: to be called again, after a look at what waits. */
bool group_flush_slice(struct group_table *groups);

/* Whether a sweep is under way: then only little is to be appended. */
static inline bool group_flush_pending(const struct group_table *groups)
{
    return groups->sweep != 0;
}

/* The member leaves: what it has not got counts as dropped for `reason`. */
void member_leave(struct member *member, enum drop_reason reason);

/* The member leaves, but its lags stay until what they hold is sent. */
void member_finish(struct member *member);

/* A member that is LEAVING and has got everything is gone: its group may be forgotten. */
void member_finished(struct member *member);

/* Drops the lags of a member that is LEAVING. */
void member_drop_lags(struct member *member, enum drop_reason reason);

/* It has been told that it has joined: from now on it gets messages, by the next flush of its
 * connection. */
void member_release(struct member *member);

/* The member has caught up in a log: frees its lag. */
void member_caught_up(struct member *member, enum log_kind kind);

/* Sets or clears flags of its entry, if it has one. */
void member_flag(struct member *member, uint32_t set, uint32_t clear);

/* The settings have changed. */
void group_table_settings(struct group_table *groups);

#endif
