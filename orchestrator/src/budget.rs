//! Every bound of the service: its value, its unit, its reason.

use std::time::Duration;

/// Inputs that one commit holds at most. A thousand inputs commit in some ten milliseconds: larger sets gain little
/// per input, and a decision may have to wait for one.
pub const COMMIT_INPUTS: usize = 1_024;

/// Blocks of each chain of which a start remembers where the log holds their events, so that a reorganisation that
/// happened meanwhile can be undone: the greatest reorg bound that can be configured.
pub const UNDOABLE_BLOCKS: u64 = 1_024;

/// Inputs that the engine consumes before it hands them to the writer.
pub const STEP_INPUTS: usize = 512;

/// Write sets that wait for the writer. Behind a full queue the engine waits, then the adapters: nothing is dropped.
pub const WRITER_QUEUE: usize = 8;

/// Batches of all chains that wait for a group's engine.
pub const BATCH_QUEUE: usize = 64;

/// A chain that is consumed so long after it was seen is a reason to limit what leaves: some ten times what a commit of
/// a full set takes on a slow disk, and below a block time of the slow chains.
pub const OVERLOADED: Duration = Duration::from_secs(5);

/// It is in time again below this.
pub const IN_TIME: Duration = Duration::from_secs(1);

/// Batches that wait between one adapter and its group.
pub const FEED_QUEUE: usize = 8;

/// Batches that wait between a chain's common run and one of its groups.
pub const SHARED_QUEUE: usize = 16;

/// Newest batches of a common run that are kept for who joins: two groups that were stopped together differ by less.
pub const SHARED_PASSED: usize = 16;

/// How long the other groups of a chain wait for one whose queue is full: some twenty times what a commit takes on a
/// slow disk, and no reason yet to call a chain late. It goes on alone then.
pub const SHARED_PATIENCE: Duration = Duration::from_millis(250);

/// How long after its last batch a group that goes on alone asks whether the common run has come to the same block: well
/// below the time between two blocks, and well above what the two runs differ by.
pub const SHARED_ASK: Duration = Duration::from_millis(100);

/// How long a group that the others had to wait for goes on alone before it joins them again.
pub const SHARED_REJOIN: Duration = Duration::from_secs(60);

/// Verdicts, outcomes, gate states and commands that wait for a group's engine. They go before batches.
pub const CONTROL_QUEUE: usize = 1_024;

/// Time in which Postgres must have committed what a containment waits for; then the journal takes it. Some ten times
/// what a commit takes on a slow disk, and far below a block time.
pub const URGENT_COMMIT: Duration = Duration::from_millis(100);

/// Time in which Postgres must have committed anything else; then the journal takes it.
pub const ORDINARY_COMMIT: Duration = Duration::from_secs(3);

/// Time that a set waits for company before it is committed, unless something urgent comes. A verdict follows what it
/// is about within milliseconds: committed together, the decision need not wait for another transaction to end.
pub const LINGER: Duration = Duration::from_millis(10);

/// Time that signing may take before the decision commits without it. Prepared nonces and fees make it a
/// millisecond; only where the chain had to be asked first it is longer.
pub const SIGNING: Duration = Duration::from_millis(50);

/// Pause between attempts to bring the journal into Postgres.
pub const RECONCILE_EVERY: Duration = Duration::from_millis(250);

/// Time that bringing one journal record into Postgres may take.
pub const RECONCILE_COMMIT: Duration = Duration::from_secs(10);

/// Largest journal, bytes, before inputs that no containment waits for have to wait for Postgres instead. At 10^5
/// events in a minute it lasts for some ten minutes; a quiet bridge fills it in weeks.
pub const JOURNAL_BYTES: u64 = 1024 * 1024 * 1024;

/// Sets of the journal that are held in memory as well; those behind them are read back from the file.
pub const JOURNAL_HELD: usize = 64;

/// Largest single journal record, bytes. A set of `COMMIT_INPUTS` inputs is some 600 kB; a length above this bound is
/// damage.
pub const JOURNAL_RECORD_BYTES: u32 = 64 * 1024 * 1024;

/// Connections for everything that is not containment.
pub const GENERAL_CONNECTIONS: u32 = 8;

/// Connections that only containment uses, so that no report or catch-up can take them.
pub const CONTAINMENT_CONNECTIONS: u32 = 4;

/// Longest wait for a free connection of the general pool.
pub const GENERAL_ACQUIRE: Duration = Duration::from_secs(5);

/// Longest wait for a free connection of the containment pool.
pub const CONTAINMENT_ACQUIRE: Duration = Duration::from_millis(100);

/// How long a lease holds without renewal: with what taking it up costs, a spare process works within two seconds of
/// the last renewal. Some hundred times what a renewal takes; one that is late all the same costs work, not safety.
pub const LEASE: Duration = Duration::from_millis(1_200);

/// How often leases are renewed: three chances before they run out. One statement renews all of a process.
pub const LEASE_RENEW: Duration = Duration::from_millis(300);

/// Longest pause between two looks of a spare process at a lease; it looks sooner when the lease would run out before.
pub const LEASE_ASK: Duration = Duration::from_millis(400);

/// Time in which the database must answer a question about leases. Later, it counts as having been silent, and who
/// held the lease gets as long as a lease lasts to prolong it.
pub const LEASE_ANSWER: Duration = Duration::from_millis(500);

/// Connections for leases alone: neither reports nor containment can make a renewal late.
pub const LEASE_CONNECTIONS: u32 = 2;

/// Time that giving a lease back may take when the service ends.
pub const LEASE_RELEASE: Duration = Duration::from_secs(3);

/// How often the database is asked whether it answers while nothing is written.
pub const DATABASE_ASK: Duration = Duration::from_secs(3);

/// Time after which the server ends a transaction whose process says nothing any more: a process that was stopped
/// in the middle of writing for people must not keep the next one from it.
pub const IDLE_TRANSACTION: Duration = Duration::from_secs(5);

/// Time that a migration waits for a table that others use; others wait behind it for as long.
pub const MIGRATE_LOCK: Duration = Duration::from_secs(2);

/// How often a migration that came too late is tried, and the pause between.
pub const MIGRATE_TRIES: u32 = 30;
/// See [`MIGRATE_TRIES`].
pub const MIGRATE_PAUSE: Duration = Duration::from_secs(1);

/// Time that warming the connections of containment may take before the service goes on with cold ones.
pub const WARM_UP: Duration = Duration::from_secs(2);

/// Claims that are judged at once per group. Each costs a few round trips to every operator.
pub const EVIDENCE_AT_ONCE: usize = 16;

/// Claims that wait for their turn; beyond it the one with the least value is reported undecided and asked for again.
pub const EVIDENCE_WAITING: usize = 10_000;

/// Time that gathering evidence for one claim may take.
pub const EVIDENCE_TIME: Duration = Duration::from_secs(10);

/// First and longest pause before an undecided claim is judged again.
pub const EVIDENCE_RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// Largest evidence that is stored, bytes; larger is judged and its verdict stored, but it can only be fetched again.
pub const EVIDENCE_STORED_BYTES: usize = 8 * 1024 * 1024;

/// Rows of the record for people that wait for the database; above it they are counted and dropped. The truth is in
/// the log and the attempts, which are never dropped.
pub const BACKGROUND_QUEUE: usize = 10_000;

/// Heads without landing before the next step of the fee schedule.
pub const BUMP_AFTER_HEADS: u64 = 2;

/// Time without landing before the next step of the fee schedule, should heads not come.
pub const BUMP_AFTER: Duration = Duration::from_secs(30);

/// Steps of the fee schedule; the adapter caps the fee itself. The last step is sent again.
pub const BUMPS: u16 = 12;

/// Attempts of one action that are watched for landing, newest first.
pub const WATCHED_ATTEMPTS: usize = 16;

/// Shortest and longest pause after an attempt that nobody took or that failed.
pub const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How often a chain is asked where an attempt is when no new head says so.
pub const LANDING_POLL: Duration = Duration::from_secs(1);

/// Shortest time between two such questions, however fast heads come.
pub const LANDING_PACE: Duration = Duration::from_millis(20);

/// How often the table of people's commands is looked at: a person waits at most so long, and a hundred groups ask a
/// database four hundred times a second at most.
pub const COMMAND_POLL: Duration = Duration::from_millis(250);

/// A command that nobody took for so long is no longer what its author meant.
pub const COMMAND_STALE: Duration = Duration::from_secs(600);

/// Time that one question of a rehearsal may take: several round trips to every operator.
pub const REHEARSAL: Duration = Duration::from_secs(20);

/// How often it is looked whether a drill is due; also the time from the start to the first one.
pub const DRILL_POLL: Duration = Duration::from_secs(5);

/// Step of the fee schedule from which a signed trip is carried by another account beside the ordinary one: twice
/// raised and not landed, the account is stuck rather than cheap.
pub const CARRY_BUMP: u16 = 2;

/// Shortest time between two looks at an effect that is final: a reorganisation deeper than that is rare, and a gate stays
/// closed for hours.
pub const VIGIL_PACE: Duration = Duration::from_secs(1);

/// How often a forbidden action looks whether its kill switch is still set.
pub const KILL_SWITCH_POLL: Duration = Duration::from_secs(1);

/// Time in which the table of kill switches must answer; the files answer always, and the last known rows stand in.
pub const KILL_SWITCH_READ: Duration = Duration::from_millis(20);

/// How often what signing needs is refreshed when no head says so.
pub const WARM_EVERY: Duration = Duration::from_secs(5);

/// Heads between two readings of a gate while nothing happens to it.
pub const GATE_HEADS: u64 = 5;

/// Age up to which such a reading stands for the gate where asking it would delay a containment. Gates are read more often
/// than that, unless their operators do not answer.
pub const GATE_READING: Duration = Duration::from_secs(60);

/// First and longest pause before an adapter that ended is started again.
pub const OBSERVE_RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));

/// Time that one message to a webhook may take.
pub const NOTIFY_TIME: Duration = Duration::from_secs(10);

/// Messages that are taken for one webhook at once.
pub const NOTIFY_AT_ONCE: i64 = 16;

/// Time for which nobody else is given them: longer than sending all of them can take.
pub const NOTIFY_CLAIM: Duration = Duration::from_secs(200);

/// How often it is looked for messages that are due. A person takes longer to wake up.
pub const NOTIFY_LOOK: Duration = Duration::from_millis(500);

/// First and longest pause before a message that did not arrive is sent again. Somebody has to be woken: who comes
/// back hears of it within seconds, and a question every quarter of a minute costs nobody anything.
pub const NOTIFY_RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// Longest pause that the other side may ask for.
pub const NOTIFY_ASKED: Duration = Duration::from_secs(300);

/// Pages that are held for sending while the database is away; the oldest give way. All of them stand in the journal.
pub const DIRECT_PAGES: usize = 1_024;

/// A database that is silent for so long before its log was read is told to people: one that is started together with this
/// process is there sooner.
pub const AWAY_PAGE: Duration = Duration::from_secs(5);

/// Time that a graceful end may take.
pub const SHUTDOWN: Duration = Duration::from_secs(10);

/// After so long a graceful end is cut short: the steps' own time, twice, and below the thirty seconds after which
/// supervisors kill.
pub const GRACE: Duration = Duration::from_secs(25);

/// How often the service looks whether a snapshot of its log is worth taking. It costs a core some seconds, and twice the
/// memory that the group needs for as long as it takes: once an hour that disturbs nobody, and a start replays an hour.
pub const SNAPSHOT_LOOK: Duration = Duration::from_secs(3_600);

/// Inputs after which it is at the earliest: replaying as many takes about three seconds.
pub const SNAPSHOT_INPUTS: u64 = 100_000;

/// And not before one in so many inputs of the whole log came since the last one: what a snapshot costs grows with what is
/// remembered.
pub const SNAPSHOT_SHARE: u64 = 20;

/// Time in which the log must show the hash of a snapshot: some ten times what a set may wait for the database.
pub const SNAPSHOT_CONFIRM: Duration = Duration::from_secs(60);

/// Snapshots kept of each log: the newest, and the one before in case it is damaged.
pub const SNAPSHOTS_KEPT: usize = 2;

/// Doubles a pause up to its bound.
#[must_use]
pub fn back_off(current: Duration, longest: Duration) -> Duration {
    current.saturating_mul(2).min(longest)
}
