//! Bounds of the engine, each with its unit and reason.

/// Live observations remembered of one message. A message has two; Nomad's most replayed one had 280. Beyond
/// the bound the engine raises an alarm and counts, because the message is long since known to be broken.
pub const LIVE_PER_MESSAGE: usize = 4_096;

/// Messages remembered: what 32-bit record numbers reach. At 200 bytes each this is
/// 800 GB, so memory is the real bound; reaching the number is an alarm, never an eviction.
pub const MESSAGES: usize = 4_294_967_294;

/// Consumptions per chain whose block and raw digest are kept until final, so that a proof can be asked for when
/// they turn out false later. Losing the oldest costs provability, not the verdict. About 7 MB per chain.
pub const RECENT_PER_CHAIN: usize = 65_536;

/// Inputs that are looked ahead for at one time: what they touch fits the nearest cache twice over, and a processor does
/// not wait for more lines of memory at once anyway.
pub const FORESEEN: usize = 64;

/// Signals remembered before further ones that may only tell are counted, not kept: what anybody can provoke for
/// gas must not fill memory. About 100 MB. What may close a gate is always kept.
pub const ADVISORY_SIGNALS: usize = 100_000;

/// Signals that one `IncidentChange` carries. The engine keeps all; an effect that carried thousands each time
/// would make the log grow with the square of an attack.
pub const SIGNALS_PER_CHANGE: usize = 64;

/// Proofs asked for at one time on behalf of one incident. One good proof suffices; four cover slow operators.
pub const PROOFS_IN_FLIGHT: usize = 4;

/// Claims undecided or in flight at one time on behalf of one incident: when operators answer nothing, asking about
/// ever more events would only load them more.
pub const PROOFS_OPEN: usize = 32;

/// First pause before an undecided claim is put again, milliseconds; doubles each time.
pub const RETRY_FIRST_MS: u64 = 250;

/// Value may wait for its source so long after the source chain's last delivery before it is a finding,
/// milliseconds: two chains are never delivered at the same instant.
pub const WAITING_GRACE_MS: u64 = 2_000;

/// And so long in all, milliseconds, however often the source chain is delivered meanwhile: catching up with a day
/// of a busy bridge takes less, and whoever feeds old blocks slowly gains no more.
pub const WAITING_LIMIT_MS: u64 = 120_000;

/// A deadline met so much later than asked, milliseconds, shows that the shell was away: it was down or suspended, or
/// its clock was set forward. A busy shell is late by less.
pub const WAKE_LATE_MS: u64 = 5_000;

/// Shortest time between two extensions of a closure that is not known to be in effect, milliseconds, however short
/// closures are configured.
pub const EXTEND_PACE_MS: u64 = 5_000;

/// Longest pause before an undecided claim is put again, milliseconds.
pub const RETRY_LAST_MS: u64 = 60_000;

/// A claim that nobody answered for so long is put again, milliseconds: the shell may have been restarted.
pub const ANSWER_WAIT_MS: u64 = 10_000;

/// Actions remembered for the hourly budget: far above any budget that somebody would configure; older ones leave.
pub const ACTIONS_REMEMBERED: usize = 10_000;

/// Least pause before what the budget withheld is decided anew, milliseconds.
pub const HELD_BACK_MS: u64 = 1_000;

/// Length of a canary's closure, seconds of chain time: longer than the slowest chain takes to include it, short
/// enough to cost next to nothing of the tripper's budget on chain.
pub const CANARY_SECS: u64 = 300;

/// A canary must be proven closed within so long, milliseconds: a first fee, two raised ones, and the proof.
pub const CANARY_WAIT_MS: u64 = 180_000;

/// Longest trust that two people can lend automation at once, milliseconds: a quarter of a year.
pub const TRUST_MS: u64 = 92 * 86_400_000;

/// Findings of one drill that are kept; each is a sentence.
pub const DRILL_FINDINGS: usize = 16;

/// Reasons that an action or a decision carries; each is a sentence for a person at night.
pub const REASONS: usize = 8;

/// Price points remembered per asset: eleven years of days, or three days of minutes.
pub const PRICE_POINTS: usize = 4_096;

/// Length of the flow window in minutes.
pub const FLOW_WINDOW_MINUTES: u64 = 60;

/// A quiet window is restarted by each occurrence, but after so many windows people are told again.
pub const QUIET_WINDOWS_AT_MOST: u64 = 7;

/// Longest detail of a signal, bytes.
pub const DETAIL_BYTES: usize = 512;

/// Decimals that an asset may have: ten to this power still fits 128 bits.
pub const DECIMALS: u8 = 38;
