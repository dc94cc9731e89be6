//! Every bound of this crate, with its unit and its reason.

use core::time::Duration;

/// Shortest time for which dissenters are listened to once a quorum agrees.
pub const GRACE_MIN: Duration = Duration::from_millis(1);
/// Longest such time: a verdict must not wait for who is far away.
pub const GRACE_MAX: Duration = Duration::from_millis(50);
/// How long endpoints are waited for when watching begins.
pub const CHAIN_CHECK: Duration = Duration::from_secs(2);
/// Receipts asked for at one time where a node gives them one by one.
pub const RECEIPTS_IN_FLIGHT: usize = 16;

/// Deepest reorganisation that can be configured, in blocks: the cursor carries one entry for each, and is
/// written with every batch.
pub const REORG_BOUND_MAX_BLOCKS: u64 = 1_024;
/// Two epochs of Ethereum: what lies deeper is final there.
pub const REORG_BOUND_DEFAULT_BLOCKS: u64 = 64;
/// Longest silence of a push socket, milliseconds: two and a half slots of Ethereum.
pub const SILENCE_DEFAULT_MS: u64 = 30_000;
/// Longest time without any block before the chain counts as stalled, milliseconds: five slots of Ethereum.
pub const STALL_DEFAULT_MS: u64 = 60_000;
/// Pause between polls, milliseconds: what public endpoints tolerate.
pub const POLL_DEFAULT_MS: u64 = 2_000;
/// Blocks behind the quorum before an operator is called lagging: propagation explains fewer.
pub const LAG_DEFAULT_BLOCKS: u64 = 5;
/// Shortest configurable silence, stall or poll, milliseconds: below it the waiting costs more than it finds.
pub const PERIOD_MIN_MS: u64 = 10;
/// Longest configurable silence, stall or poll, milliseconds: one hour.
pub const PERIOD_MAX_MS: u64 = 3_600_000;
/// Most endpoints of one chain: each is asked for every block.
pub const ENDPOINTS_MAX: usize = 16;

/// Blocks of one `eth_getLogs` range at first: what nearly every vendor accepts.
pub const RANGE_START_BLOCKS: u64 = 1_000;
/// Most blocks of one range: keeps one answer within the byte bound on any chain seen so far.
pub const RANGE_MAX_BLOCKS: u64 = 20_000;
/// Ranges asked for at one time: hides the round trip without flooding a vendor's rate limit.
pub const RANGES_IN_FLIGHT: usize = 4;
/// Blocks behind the head beyond which ranges replace single blocks, on top of the reorg bound.
pub const RANGE_WORTH_BLOCKS: u64 = 16;
/// Attempts at one range, all operators together, before the catch-up waits for its next turn.
pub const RANGE_ATTEMPTS: u32 = 6;
/// Most logs that one answer may hold; a node that sends more is refused and the range is halved.
pub const LOGS_PER_ANSWER_MAX: usize = 200_000;
/// Most observations of one batch in catch-up: one database transaction stays short.
pub const BATCH_MAX_OBSERVATIONS: usize = 2_000;
/// Headers asked for at one time for the times of old blocks, where a node leaves them out of its logs.
pub const TIMES_IN_FLIGHT: usize = 16;
/// Headers asked for at one time when a gap is filled block by block.
pub const HEADERS_IN_FLIGHT: u64 = 16;

/// Blocks held in memory beyond the reorg bound, for heads that run ahead of their ancestors.
pub const TREE_SLACK_BLOCKS: u64 = 64;
/// Unconnected headers that one operator may make us hold: a liar cannot fill the memory.
pub const HEADERS_PER_OPERATOR_MAX: usize = 4_096;
/// Reports that may wait for the assembler: a slow feed slows the sockets down, nothing is dropped.
pub const REPORTS_QUEUE: usize = 4_096;
/// Pushes that one socket may have waiting; beyond it the socket is closed and back-filled.
pub const PUSHES_QUEUE: usize = 8_192;

/// How long a minority may hold another head before it is called dissent, milliseconds: honest forks at the tip
/// resolve within a block or two.
pub const DISSENT_GRACE_MS: u64 = 3_000;
/// Depth of a fork, in blocks, from which a minority's head is dissent at once.
pub const DISSENT_DEPTH_BLOCKS: u64 = 2;
/// How long the logs of a block may stay without agreement before they are asked for again, milliseconds.
pub const LOGS_RETRY_MS: u64 = 250;
/// How long an operator may be behind the newest head without a word before it is asked for its own over HTTP, milliseconds:
/// blocks reach honest nodes within this time, and a push socket may be half open for much longer before that is known.
pub const NUDGE_AFTER_MS: u64 = 500;
/// How often the assembler looks at its clocks (stall, lag, dissent), milliseconds.
pub const TICK_MS: u64 = 100;
/// Pause between questions for the `safe` and `finalized` tags, milliseconds; they move once an epoch.
pub const FINALITY_POLL_MS: u64 = 2_000;

/// Steps of a fee schedule: with an eighth each, a hundredfold offer.
pub const BUMPS_MAX: u16 = 40;
/// Least growth per step, basis points: nodes refuse a replacement that offers less than a tenth more, and the
/// rounding of two fields must not fall below it.
pub const BUMP_MIN_BPS: u32 = 1_250;
/// Share of the gas limit that a rehearsed trip must leave unused, basis points: state may cost more on the day.
pub const GAS_MARGIN_BPS: u64 = 3_000;
/// Least gas limit of a trip: the base cost of a transaction and two storage writes.
pub const GAS_LIMIT_MIN: u64 = 100_000;
/// Least gas limit of a trip of a Gate: it refuses when less than four times its allowance per target (400,000) is left
/// before one of them is told, and each takes some 100,000. Rehearsal tells what its own targets need.
pub const GATE_GAS_LIMIT_MIN: u64 = 2_500_000;
/// Greatest gas limit of a trip (EIP-7825 caps a transaction at 2^24).
pub const GAS_LIMIT_MAX: u64 = 16_777_216;
/// Gas that a carried trip needs beyond an ordinary one: the signature is recovered, and remembered as used.
pub const CARRY_GAS: u64 = 60_000;
/// Candidates signed for one action: distinct nonces that operators report. More means that most of them lie.
pub const CANDIDATES_MAX: usize = 4;
/// Step of the schedule from which an action that queues behind another one may replace it.
pub const OVERTAKE_BUMP: u16 = 2;
/// Refreshes after which an action that was signed and never sent gives its nonce back.
pub const UNSENT_AGE: u32 = 3;
/// Trips that the fuel check wants the account to be able to pay.
pub const BALANCE_TRIPS: u64 = 3;
/// Outstanding actions for which nonces are kept apart.
pub const OUTSTANDING_MAX: usize = 256;
/// Pause between chances for operators whose logs were bad, milliseconds.
pub const PROBE_MS: u64 = 1_000;
/// Pause after catching up failed, milliseconds.
pub const RANGE_PAUSE_MS: u64 = 1_000;
/// Failures in a row to tell logs before an operator is called dark: one may be a block not indexed yet.
pub const LOG_FAILURES: u32 = 3;
/// An operator that keeps a proof waiting for so long is not waited for alone: most answer within a few round trips.
pub const PAYLOAD_HEDGE: Duration = Duration::from_millis(150);
/// The operators asked first about old blocks have so long before all are asked.
pub const RANGE_HANG: Duration = Duration::from_secs(1);
/// Blocks remembered because a pushed log named them.
pub const HINTS_MAX: usize = 1_024;
/// Previews of waiting transactions at one time, per operator: they must not crowd out heads.
pub const PREVIEWS_IN_FLIGHT: usize = 8;
/// Logs of one preview that are kept.
pub const PREVIEW_LOGS_MAX: usize = 256;
/// Waiting transactions remembered, so that the operators that show one later do not repeat it.
pub const PREVIEWED_MAX: usize = 4_096;
/// Most blocks of one batch at the tip.
pub const BLOCKS_PER_STEP: usize = 64;
/// How long operators may disagree on a block's logs before all are asked again, milliseconds.
pub const SPLIT_RETRY_MS: u64 = 1_000;
/// How long a question for an ancestor may take before it is asked again, milliseconds.
pub const FETCH_RETRY_MS: u64 = 1_000;
