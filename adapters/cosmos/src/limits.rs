//! Every bound of this crate, with its unit and its reason.

use core::time::Duration;

/// How long endpoints are waited for when watching begins.
pub const CHAIN_CHECK: Duration = Duration::from_secs(2);
/// Shortest time for which dissenters are listened to once a quorum agrees.
pub const GRACE_MIN: Duration = Duration::from_millis(1);

/// Longest silence of a push socket, milliseconds: a few blocks of the slowest chains of this family.
pub const SILENCE_DEFAULT_MS: u64 = 30_000;
/// Longest time without any block before the chain counts as stalled, milliseconds: eight blocks of 7 s.
pub const STALL_DEFAULT_MS: u64 = 60_000;
/// Pause between polls, milliseconds: what public endpoints tolerate.
pub const POLL_DEFAULT_MS: u64 = 2_000;
/// Blocks behind the others before an operator is called lagging: propagation explains fewer.
pub const LAG_DEFAULT_BLOCKS: u64 = 5;
/// Greatest number of blocks that can be configured as a lag.
pub const LAG_MAX_BLOCKS: u64 = 1_024;
/// Shortest configurable silence, stall or poll, milliseconds: below it the waiting costs more than it finds.
pub const PERIOD_MIN_MS: u64 = 10;
/// Longest configurable silence, stall or poll, milliseconds: one hour.
pub const PERIOD_MAX_MS: u64 = 3_600_000;
/// Most endpoints of one chain: each is asked for every block.
pub const ENDPOINTS_MAX: usize = 16;
/// Shortest trusting period, seconds: below an hour a restart would need a new root.
pub const TRUSTING_PERIOD_MIN_SECS: u64 = 3_600;
/// Longest trusting period, seconds: no chain holds stake slashable for longer than about a month.
pub const TRUSTING_PERIOD_MAX_SECS: u64 = 60 * 24 * 3_600;
/// Greatest clock drift, seconds: beyond it a header from the future could outrun the trusting period's purpose.
pub const DRIFT_MAX_SECS: u64 = 300;

/// Validators asked for in one page: the most that nodes give.
pub const VALIDATORS_PAGE: usize = 100;
/// Pages of one validator set: the verifier reads at most 1,024 validators.
pub const VALIDATOR_PAGES_MAX: usize = 11;
/// Validator sets kept by their hash, each of at most 96 kB.
pub const VALIDATOR_SETS_KEPT: usize = 16;
/// Most transactions of one block that are read: a node that sends more is refused.
pub const TRANSACTIONS_MAX: usize = 100_000;
/// Most events of one block that are read: a node that sends more is refused.
pub const EVENTS_PER_BLOCK_MAX: usize = 200_000;
/// Most attributes of one event that are read.
pub const ATTRIBUTES_MAX: usize = 1_024;
/// Bytes of an attribute that is read as JSON.
pub const JSON_ATTRIBUTE_BYTES: usize = 64 << 10;
/// Coins in one amount such as `5uatom,7ustake`.
pub const COINS_MAX: usize = 256;

/// Share of the power that must have moved before a change of validators is told, basis points: delegations move a
/// little in nearly every block; a tenth is a third of what could stop the chain.
pub const VALIDATORS_MOVED_BPS: u64 = 1_000;
/// Share of the power from which a validator that signed twice is told as more than a slip, basis points: whoever can
/// make two truths needs more than three times as much.
pub const DOUBLE_SIGN_BPS: u64 = 1_000;
/// Heights that are remembered after they were delivered, so that who tells them late or differently is judged.
pub const SETTLED_KEPT: u64 = 32;

/// Blocks fetched at one time while far behind: hides the round trip without flooding a vendor's rate limit.
pub const BLOCKS_IN_FLIGHT: usize = 8;
/// Blocks of one batch in catch-up: one database transaction stays short.
pub const BLOCKS_PER_BATCH: usize = 32;
/// Blocks that the cursor carries: they are final, so that one would do; a few show where a restart began.
pub const RECENT_BLOCKS: usize = 8;
/// Pause before a block is asked for again that could not be agreed on, milliseconds: a node may index it late.
pub const RETRY_MIN_MS: u64 = 20;
/// Longest such pause, milliseconds.
pub const RETRY_MAX_MS: u64 = 1_000;
/// Failures in a row to tell a block before an operator is called dark: one may be a block not indexed yet.
pub const BLOCK_FAILURES: u32 = 3;
/// How long one operator may keep a block waiting, milliseconds.
pub const BLOCK_HANG_MS: u64 = 3_000;
/// How often the clocks are looked at (stall, lag), milliseconds.
pub const TICK_MS: u64 = 100;
/// How long an operator may be behind the newest head without a word before it is asked for its own over HTTP,
/// milliseconds: a push socket may be half open for much longer before that is known.
pub const NUDGE_AFTER_MS: u64 = 500;
/// How often an operator is asked whether its node still serves the blocks that are needed, milliseconds.
pub const PROBE_MS: u64 = 1_000;
/// Reports that may wait for the observer: a slow feed slows the sockets down, nothing is dropped.
pub const REPORTS_QUEUE: usize = 1_024;
/// Pushes that one socket may have waiting; beyond it the socket is closed and back-filled.
pub const PUSHES_QUEUE: usize = 1_024;

/// Pushed blocks that are kept of each operator until they are asked for: the newest, and what came while it was worked
/// through.
pub const PUSHED_KEPT: usize = 4;

/// Blocks between two headers that the light client is moved on to, and how far it stays behind the head at least:
/// a proof of a fresh block then is one step above it, and a judge who read the root a moment ago still has the
/// right one.
pub const ROOT_STEP_BLOCKS: u64 = 256;
/// Keys of contracts of which the digest is remembered, so that a claim by digest can be proven.
pub const KEYS_KEPT: usize = 65_536;
/// An operator that keeps a proof waiting for so long is not waited for alone: most answer within a few round trips.
pub const PAYLOAD_HEDGE: Duration = Duration::from_millis(150);
/// Blocks below the light client that watching may begin at, each verified as an ancestor of the next: a week of 6 s
/// blocks, 6 MB of hashes.
pub const ANCESTORS_MAX: u64 = 100_800;
/// Headers of ancestors that are held at one time, each of about 1 kB.
pub const ANCESTORS_PIECE: u64 = 255;
/// Headers of ancestors asked for at one time.
pub const HEADERS_IN_FLIGHT: usize = 16;

/// Steps of a fee schedule: with half as much again each, far more than any account holds.
pub const BUMPS_MAX: u16 = 40;
/// Share of the gas limit that a rehearsed trip must leave unused, basis points: state may cost more on the day.
pub const GAS_MARGIN_BPS: u64 = 3_000;
/// Candidates signed for one action: distinct sequences that operators report. More means that most of them lie.
pub const CANDIDATES_MAX: usize = 4;
/// Step of the schedule from which an action that queues behind another one may take its place.
pub const OVERTAKE_BUMP: u16 = 2;
/// Refreshes after which an action that was signed and never sent gives its sequence back.
pub const UNSENT_AGE: u32 = 3;
/// Trips that the fuel check wants the account to be able to pay.
pub const BALANCE_TRIPS: u128 = 3;
/// Outstanding actions for which sequences are kept apart.
pub const OUTSTANDING_MAX: usize = 256;
/// How long a trip waits at an endpoint for the one that stands before it in the account's line: a round trip or two.
pub const ORDER_WAIT: Duration = Duration::from_millis(250);
/// Pauses before a node that refused bytes is asked whether it has them: it may be looking at them, which takes it
/// milliseconds, or longer where the machine is busy.
pub const TAKEN_IN_PAUSES: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(20), Duration::from_millis(80), Duration::from_millis(300)];
/// Gas that a carried trip needs beyond an ordinary one: the signature is recovered, and remembered as used.
pub const CARRY_GAS: u64 = 150_000;
/// Sequences for which it is remembered which endpoint has answered.
pub const ANSWERED_KEPT: u64 = 256;
/// Blocks after which a node finds a block's transactions by their hash, if it ever does: it takes milliseconds.
pub const INDEX_BLOCKS: u64 = 2;
/// Blocks back to which it is looked for the one that spent a sequence: minutes of any chain, and a dozen questions.
pub const SPENT_SEARCH_BLOCKS: u64 = 1_024;
/// Waiting transactions that a node is asked for when it may have a trip already: the most that nodes give.
pub const WAITING_ASKED: u32 = 100;
/// Bytes of a kept checkpoint that are read: a real one has about two hundred.
pub const STATE_BYTES_MAX: u64 = 64 << 10;
/// Sets of validators that are kept to compare with: those that a change was told to, of which the newest may not be
/// delivered yet when the process ends.
pub const BASES_KEPT: usize = 16;
/// Bytes of kept sets that are read: 16 sets of 1,024 validators with 32 bytes each are 512 kB.
pub const BASES_BYTES_MAX: u64 = 1 << 20;
