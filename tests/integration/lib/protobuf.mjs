// The Protobuf form of the Centrifuge protocol as npm's protobufjs reads and writes it, from the field
// numbers of the public protocol: nothing here knows the engine's own code.
import protobuf from 'protobufjs';

const schema = `
syntax = "proto3";

message Error { uint32 code = 1; string message = 2; bool temporary = 3; }
message ClientInfo { string user = 1; string client = 2; bytes conn_info = 3; bytes chan_info = 4; }
message Publication { bytes data = 4; ClientInfo info = 5; uint64 offset = 6; map<string, string> tags = 7; }
message StreamPosition { uint64 offset = 1; string epoch = 2; }
message Empty {}

message Command {
  uint32 id = 1;
  ConnectRequest connect = 4;
  SubscribeRequest subscribe = 5;
  ChannelRequest unsubscribe = 6;
  PublishRequest publish = 7;
  ChannelRequest presence = 8;
  ChannelRequest presence_stats = 9;
  HistoryRequest history = 10;
  Empty ping = 11;
  SendRequest send = 12;
  RPCRequest rpc = 13;
  RefreshRequest refresh = 14;
  SubRefreshRequest sub_refresh = 15;
}
message ChannelRequest { string channel = 1; }
message ConnectRequest {
  string token = 1;
  bytes data = 2;
  map<string, SubscribeRequest> subs = 3;
  string name = 4;
  string version = 5;
  map<string, string> headers = 6;
  int64 flag = 7;
}
message SubscribeRequest {
  string channel = 1;
  string token = 2;
  bool recover = 3;
  string epoch = 6;
  uint64 offset = 7;
  bytes data = 8;
  bool positioned = 9;
  bool recoverable = 10;
  bool join_leave = 11;
  string delta = 12;
  int64 flag = 14;
  int32 type = 15;
}
message PublishRequest { string channel = 1; bytes data = 2; int32 type = 3; string key = 4; bool removed = 5; }
message HistoryRequest { string channel = 1; int32 limit = 7; StreamPosition since = 8; bool reverse = 9; }
message SendRequest { bytes data = 1; }
message RPCRequest { bytes data = 1; string method = 2; }
message RefreshRequest { string token = 1; }
message SubRefreshRequest { string channel = 1; string token = 2; }

message Reply {
  uint32 id = 1;
  Error error = 2;
  Push push = 4;
  ConnectResult connect = 5;
  SubscribeResult subscribe = 6;
  Empty unsubscribe = 7;
  Empty publish = 8;
  PresenceResult presence = 9;
  PresenceStatsResult presence_stats = 10;
  HistoryResult history = 11;
  Empty ping = 12;
}
message Push {
  int64 id = 1;
  string channel = 2;
  Publication pub = 4;
  Info join = 5;
  Info leave = 6;
  Unsubscribe unsubscribe = 7;
  SendRequest message = 8;
  Disconnect disconnect = 11;
}
message Info { ClientInfo info = 1; }
message Unsubscribe { uint32 code = 2; string reason = 3; }
message Disconnect { uint32 code = 1; string reason = 2; bool reconnect = 3; }
message ConnectResult {
  string client = 1;
  string version = 2;
  bool expires = 3;
  uint32 ttl = 4;
  bytes data = 5;
  map<string, SubscribeResult> subs = 6;
  uint32 ping = 7;
  bool pong = 8;
  string session = 9;
  string node = 10;
}
message SubscribeResult {
  bool expires = 1;
  uint32 ttl = 2;
  bool recoverable = 3;
  string epoch = 6;
  repeated Publication publications = 7;
  bool recovered = 8;
  uint64 offset = 9;
  bool positioned = 10;
  bytes data = 11;
  bool was_recovering = 12;
  bool delta = 13;
  int64 id = 14;
}
message PresenceResult { map<string, ClientInfo> presence = 1; }
message PresenceStatsResult { uint32 num_clients = 1; uint32 num_users = 2; }
message HistoryResult { repeated Publication publications = 1; string epoch = 2; uint64 offset = 3; }
`;

const { root } = protobuf.parse(schema, { keepCase: true });
const Command = root.lookupType('Command');
const Reply = root.lookupType('Reply');

/** Commands, each behind its length. */
export const encodeCommands = (commands) =>
  Buffer.concat(commands.map((command) => Command.encodeDelimited(Command.fromObject(command)).finish()));

/** Replies as plain objects with the fields that are there, and an array for every repeated one. */
export function decodeReplies(frame) {
  const reader = protobuf.Reader.create(frame);
  const replies = [];
  while (reader.pos < reader.len)
    replies.push(Reply.toObject(Reply.decodeDelimited(reader), { longs: Number }));
  return replies;
}
