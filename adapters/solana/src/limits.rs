//! Every bound of this crate, with its unit and its reason.

use core::time::Duration;

/// How long endpoints are waited for when watching begins.
pub const CHAIN_CHECK: Duration = Duration::from_secs(2);
/// Shortest time for which dissenters are listened to once a quorum agrees.
pub const GRACE_MIN: Duration = Duration::from_millis(1);

/// Longest silence of a push socket, milliseconds: a slot has 400 ms, and four in a row may be skipped.
pub const SILENCE_DEFAULT_MS: u64 = 10_000;
/// Longest time without any block before the chain counts as stalled, milliseconds: fifty slots.
pub const STALL_DEFAULT_MS: u64 = 20_000;
/// Pause between polls, milliseconds: what public endpoints tolerate.
pub const POLL_DEFAULT_MS: u64 = 1_000;
/// Slots behind the others before an operator is called lagging, and no longer trusted for the chain's head.
pub const LAG_DEFAULT_SLOTS: u64 = 50;
/// Greatest number of slots that can be configured as a lag.
pub const LAG_MAX_SLOTS: u64 = 10_000;
/// Blocks that can be undone: a block is final some 32 slots after it was confirmed.
pub const REORG_BOUND_DEFAULT_BLOCKS: u64 = 64;
/// Greatest number of blocks that can be configured to be undone: the cursor names each of them.
pub const REORG_BOUND_MAX_BLOCKS: u64 = 1_024;
/// Shortest configurable silence, stall or poll, milliseconds: below it the waiting costs more than it finds.
pub const PERIOD_MIN_MS: u64 = 10;
/// Longest configurable silence, stall or poll, milliseconds: one hour.
pub const PERIOD_MAX_MS: u64 = 3_600_000;
/// Most endpoints of one chain: each is asked for every block.
pub const ENDPOINTS_MAX: usize = 16;
/// Most values of one event or call: what one transaction can carry has no room for more.
pub const VALUES_MAX: usize = 64;

/// Most transactions of one block that are read: a node that sends more is refused.
pub const TRANSACTIONS_MAX: usize = 100_000;
/// Most records (calls and logged data) of one block that are read: a node that sends more is refused.
pub const RECORDS_MAX: u32 = 1_000_000;
/// Most accounts of one transaction: places have one byte.
pub const ACCOUNTS_MAX: usize = 256;
/// Calls that one call of a token program may bundle: its places have one byte.
pub const BUNDLED_MAX: usize = 256;

/// Slots in a row without a block, at most, when a block at or below one is looked for: a leader has four.
pub const SKIPPED_MAX_SLOTS: u64 = 32;
/// Blocks that a node may have confirmed and not stored yet, of which an older one is asked for instead.
pub const UNSTORED_MAX_BLOCKS: usize = 4;
/// Slots asked for in one list: a minute, so that a list stays small.
pub const LIST_SLOTS: u64 = 150;
/// Blocks of one operator fetched at one time while behind: hides the round trip without flooding a vendor's rate limit.
pub const BLOCKS_IN_FLIGHT: usize = 8;
/// Blocks of one operator that may lie above what is delivered: each may have megabytes on the wire, little in memory.
pub const BLOCKS_AHEAD: usize = 32;
/// Blocks of one batch in catch-up: one database transaction stays short.
pub const BLOCKS_PER_BATCH: usize = 32;
/// Blocks that are remembered after they were delivered, so that who tells them late or differently is judged.
pub const SETTLED_KEPT: usize = 64;
/// How long one operator may keep a block waiting, milliseconds.
pub const BLOCK_HANG_MS: u64 = 3_000;
/// Pause before an operator is asked again that had nothing new or failed, milliseconds: a twentieth of a slot.
pub const RETRY_MIN_MS: u64 = 20;
/// First pause before an operator is asked again for a block that it does not have yet, milliseconds: nodes store a block some
/// milliseconds after they call it confirmed. It doubles.
pub const NOT_YET_MS: u64 = 1;
/// Longest such pause, milliseconds: a slot may be skipped.
pub const NOT_YET_MAX_MS: u64 = 64;
/// Longest such pause, milliseconds.
pub const RETRY_MAX_MS: u64 = 1_000;
/// Failures in a row to tell a block before an operator is called dark: one may be a block that is not stored yet.
pub const BLOCK_FAILURES: u32 = 3;
/// How long operators may contradict the chain before they are named, milliseconds: two of them confirm a fork at
/// different moments.
pub const DISSENT_GRACE_MS: u64 = 2_000;
/// How often the clocks are looked at (stall, lag), milliseconds.
pub const TICK_MS: u64 = 100;
/// How long an operator may be without a word before it is asked for its head over HTTP, milliseconds: a push socket may
/// be half open for much longer before that is known.
pub const NUDGE_AFTER_MS: u64 = 500;
/// Reports that may wait for the observer: a slow feed slows the sockets down, nothing is dropped.
pub const REPORTS_QUEUE: usize = 1_024;
/// Pushes that one socket may have waiting; beyond it the socket is closed and back-filled.
pub const PUSHES_QUEUE: usize = 8_192;
/// Transactions of which it is remembered that they were previewed.
pub const PREVIEWED_MAX: usize = 4_096;

/// Steps of a fee schedule: doubling each, far more than any account holds.
pub const BUMPS_MAX: u16 = 40;
/// Highest price that can be configured, micro-lamports per compute unit: a trip of 100,000 units then costs 10 SOL.
pub const PRICE_MAX: u64 = 100_000_000_000;
/// Fewest compute units that a trip can be configured to use.
pub const UNITS_MIN: u32 = 10_000;
/// Most compute units that a transaction may use.
pub const UNITS_MAX: u32 = 1_400_000;
/// How often operators are asked by which rules validators agree, milliseconds: a change is announced weeks before.
pub const REGIME_POLL_MS: u64 = 60_000;
/// Blocks for which a blockhash can be used: the chain's own rule.
pub const HASH_LIFE_BLOCKS: u64 = 150;
/// Refreshes after which a blockhash is no longer taken for the one that a quorum calls valid.
pub const HASH_AGE: u32 = 8;
/// Slots for which a nonce is kept for the action that it was signed for, and that has not landed: an hour. A closure that is still
/// wanted then is asked for anew, and who signs with the value next makes the old bytes void.
pub const NONCE_HELD_SLOTS: u64 = 9_000;
/// Bytes of a transaction: what one packet takes. Where a nonce leaves no room, a recent blockhash is signed with.
pub const PACKET_BYTES: usize = 1_232;
/// Candidates signed for one action: distinct blockhashes that operators report. More means that most of them lie.
pub const CANDIDATES_MAX: usize = 3;
/// Step of the schedule from which both accounts of a scope are tripped: the first one may be write-locked.
pub const BOTH_LANES_BUMP: u16 = 1;
/// What is offered above what others paid for the accounts that a trip writes, basis points: see `contain::contest`.
pub const OUTBID_BPS: u128 = 2_500;
/// Compute units that each mint of a Gate, and a signature that is verified, need beyond a trip.
pub const UNITS_EACH: u32 = 30_000;
/// Refreshes of what signing needs between two questions for what Gates hold.
pub const MINTS_EVERY: u64 = 32;
/// Mints of one Gate that are paused in one transaction: what it has room for.
pub const ENFORCED_MAX: usize = 5;
/// Trips that the fuel check wants the account to be able to pay.
pub const BALANCE_TRIPS: u128 = 3;
/// Lamports that an account has to keep so that it stays: the rent of an empty one.
pub const RENT_EXEMPT_LAMPORTS: u128 = 890_880;
/// Share of the compute units that a rehearsed trip must leave unused, basis points.
pub const UNITS_MARGIN_BPS: u64 = 2_000;
/// Accounts asked for at one time: what nodes give.
pub const ACCOUNTS_ASKED: usize = 100;
/// Bytes of an account that is read.
pub const ACCOUNT_BYTES: usize = 64 << 10;
/// How long the others are waited for once a quorum has said what is asked for evidence.
pub const VOICES_GRACE: Duration = Duration::from_millis(20);

/// How long evidence waits for votes by default, milliseconds: the blocks that hold them are confirmed within a second, and a
/// decision waits two for evidence before it acts on suspicion.
pub const VOTES_WAIT_DEFAULT_MS: u64 = 1_500;
/// Longest such wait that can be configured, milliseconds: evidence has ten seconds in all.
pub const VOTES_WAIT_MAX_MS: u64 = 8_000;
/// Blocks that are looked through for votes, behind the one that they sign: nearly all stand in the first two.
pub const VOTES_FOLLOWING_BLOCKS: usize = 4;
/// Questions for such blocks in one search: each by two of three operators. Each answer has megabytes.
pub const VOTES_BLOCKS_MAX: usize = 8;
/// Votes whose signatures are verified in one search, for each voter of the table: a liar's forgeries cost no more.
pub const VOTES_TRIED_EACH: usize = 4;
/// How long one operator may take to list the following blocks.
pub const VOTES_LIST: Duration = Duration::from_millis(400);
/// Pause before the following blocks are asked for again, where there are no new ones: a quarter of a slot.
pub const VOTES_PAUSE: Duration = Duration::from_millis(100);

/// Blocks by push that may wait to be read: each has megabytes. One more closes their socket, and they are asked for.
pub const BLOCK_PUSHES_QUEUE: usize = 8;
/// How long a confirmed block is waited for that is going to be pushed, before it is asked for, milliseconds.
pub const PUSHED_GRACE_MS: u64 = 150;
/// Pause before a node is asked again whether it pushes blocks, milliseconds: an option of its start.
pub const OFFER_POLL_MS: u64 = 60_000;
