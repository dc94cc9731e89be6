//! Every bound of this crate, with its unit and its reason.

use core::time::Duration;

/// Bytes of an answer that is a number, a hash, or an acknowledgement. 64 KiB leaves room for error texts.
pub const SMALL_REPLY_BYTES: usize = 64 << 10;
/// Bytes of an answer that is one block's header or one proof.
pub const BLOCK_REPLY_BYTES: usize = 2 << 20;
/// Bytes of an answer that is all receipts of a block or a range of logs: the largest blocks seen on public
/// chains stay under 30 MiB as JSON.
pub const BULK_REPLY_BYTES: usize = 64 << 20;
/// Bytes of an error body that are read at all.
pub const ERROR_REPLY_BYTES: usize = 64 << 10;
/// Bytes of one message on a push socket: a header, a log, or all logs of one block. 60 M gas buy 7.5 MB of log
/// data, which is twice that as hex.
pub const PUSH_BYTES: usize = 32 << 20;
/// Bytes of a server's error text that are kept.
pub const MESSAGE_BYTES: usize = 512;

/// How long a connection may take to open.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Wait after "too many requests" where the server names none.
pub const RATE_LIMIT_DEFAULT: Duration = Duration::from_secs(1);
/// Longest wait that a server may ask of us; a liar shall not park us for a day.
pub const RATE_LIMIT_MAX: Duration = Duration::from_secs(30);

/// Bytes that a socket is read in, and keeps for it: a head and some logs. A longer message makes more room while it
/// comes. The library's own size is meant for one busy socket; a service has one for every operator of every chain.
pub const WS_READ_BYTES: usize = 16 << 10;
/// Failures of a push socket in a row before its operator is called dark.
pub const SOCKET_FAILURES: u32 = 3;
/// First pause before a socket is opened again, milliseconds.
pub const RECONNECT_MIN_MS: u64 = 100;
/// Longest pause before a socket is opened again, milliseconds: a node that returns is seen soon, because value may have
/// left while all were dark.
pub const RECONNECT_MAX_MS: u64 = 2_000;
/// Requests of one connection that may wait for their answer.
pub const WS_PENDING_MAX: usize = 1_024;
/// Commands that may wait for the socket task.
pub const WS_COMMANDS: usize = 256;
